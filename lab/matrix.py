"""Runs tests/live in each kernel x variant, and keeps a row of each."""

import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from lab.guest import Request, run_guest
from lab.installed import find_installed
from lab.kernels import KERNELS
from lab.results import Row, row_of, write_row
from lab.variants import VARIANTS, Variant

__all__ = ["Cell", "Lab", "cells", "cells_named", "run_cells"]

Say = Callable[[str], None]

DEADLINE_S = 1200.0

# Plugins that no live test uses, and whose imports cost seconds under emulation.
_NO_PLUGINS = ("fakefs", "xdist", "xdist.looponfail", "hypothesispytest")


class Cell(NamedTuple):
    """One guest that is to be run."""

    kernel: str
    variant: Variant


class Lab(NamedTuple):
    """What holds for all guests of one lab: `tests` instead of those of the variant, or a `short` choice of
    them, and a `deadline_s` instead of the variant's."""

    repo: str
    results: str
    python: str
    tests: Tuple[str, ...] = ()
    short: bool = False
    deadline_s: Optional[float] = None
    jobs: int = 2


def cells(kernels: Optional[Sequence[str]], variants: Optional[Sequence[str]]) -> List[Cell]:
    """The guests to be run: those named, or for what is not named the table's own choice.

    Variant by variant, default first: a lab that is cut short has seen every kernel.
    """
    return [
        Cell(kernel, variant)
        for variant in VARIANTS.values()
        for kernel in KERNELS
        if (kernels is None or kernel in kernels)
        and (variant.name in variants if variants is not None else kernel in variant.kernels)
    ]


def cells_named(text: str) -> List[Cell]:
    """The guests of a list as `6.1:default,7.2:psi0`."""
    found = []
    for pair in text.replace(",", " ").split():
        kernel, _, variant = pair.partition(":")
        if kernel not in KERNELS or variant not in VARIANTS:
            raise ValueError(f"no guest is called {pair!r}: it takes a kernel and a variant, as 6.1:default")
        found.append(Cell(kernel, VARIANTS[variant]))
    return found


# What takes longest of tests/live and tells least in the two guests of CI, which has half an hour for
# everything.
SHORT_WITHOUT = ("tests/live/test_peers.py", "tests/live/path", "tests/live/tools", "tests/live/ebpf")


def pytest_arguments(variant: Variant, tests: Sequence[str], short: bool = False) -> Tuple[str, ...]:
    """What pytest is given in a guest of `variant`; tests that were named are all run."""
    marked = ("-m", "unprivileged") if variant.user != "root" else ()
    if tests:
        return ("-q", *marked, *tests)
    without = [word for name in _NO_PLUGINS for word in ("-p", f"no:{name}")]
    left_out = [f"--ignore={path}" for path in (*variant.left_out, *(SHORT_WITHOUT if short else ()))]
    return ("-q", *marked, *without, *variant.tests, *left_out)


def run_cell(cell: Cell, lab: Lab) -> Row:
    """Boots one guest, runs the tests in it, keeps its row and its logs in the results."""
    installed = find_installed(cell.kernel)
    out = os.path.join(lab.results, f"{cell.kernel}-{cell.variant.name}")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    if installed is None:
        why = f"kernel {cell.kernel} is not here; run: make lab-setup"
        row = Row(cell.kernel, cell.variant.name, None, "", (), why, "", 0.0, None)
    else:
        arguments = pytest_arguments(cell.variant, lab.tests, lab.short)
        request = Request(
            kernel=installed,
            variant=cell.variant,
            command=(lab.python, "-m", "lab.in_guest", "--", *arguments),
            out=out,
            folder=lab.repo,
            disk=cell.variant.user == "root",
            deadline_s=lab.deadline_s or cell.variant.deadline_s or DEADLINE_S,
        )
        row = row_of(cell.kernel, installed.version, cell.variant.name, run_guest(request, lab.repo), out)
    write_row(row, os.path.join(out, "row.json"))
    return row


def _compile(python: str, repo: str) -> None:
    """Compiles what guests import: they cannot write, and would compile it anew in every process."""
    for arguments in (
        ("compileall", "-q", "kdiag", "lab", "fixtures"),
        # pytest keeps test modules in a form of its own. What fails to be collected fails in the guests, too.
        ("pytest", "-q", "--collect-only", "tests/live"),
    ):
        subprocess.run(
            [python, "-m", *arguments], cwd=repo, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )


def run_cells(chosen: Sequence[Cell], lab: Lab, say: Say) -> List[Row]:
    """Runs guests, some at a time, and tells of each as it ends; the rows in the order of `chosen`."""
    lock = threading.Lock()
    done = 0

    def one(cell: Cell) -> Row:
        nonlocal done
        row = run_cell(cell, lab)
        with lock:
            done += 1
            counts = (
                f"{row.count('passed')} passed, {row.count('failed')} failed, {row.count('skipped')} skipped"
            )
            verdict = "well" if row.well else (row.why or "FAILED")
            place = f"[{done}/{len(chosen)}] {row.kernel} {row.variant}"
            say(f"{place}: {counts} in {row.took_s:.0f} s: {verdict}")
        return row

    _compile(lab.python, lab.repo)
    with ThreadPoolExecutor(max_workers=lab.jobs) as pool:
        return list(pool.map(one, chosen))
