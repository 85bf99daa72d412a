"""What `python -m lab` can be asked, and its exit statuses.

0: done and well. 1: something failed. 2: used wrongly. 3: the lab is not set up, or something could not be
had. `run` gives back the status of its command; 124 when the guest did not end in time, 125 when it came to
another bad end.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from types import FrameType
from typing import List, Optional, Sequence

from lab.console import end_of
from lab.docs import write_docs
from lab.guest import Ended, Request, Stopped, run_guest, stop_guests
from lab.installed import cache_folder, find_installed
from lab.kernels import KERNELS
from lab.matrix import Lab, cells, cells_named, run_cells
from lab.pythons import test_pythons
from lab.results import read_rows
from lab.setup import guest_python, set_up
from lab.table import render
from lab.variants import VARIANTS

__all__ = ["main"]

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


RESULTS = os.path.join(REPO, "lab", "results")


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for what a guest's command prints, and for tables."""
    print(f"lab: {line}", file=sys.stderr, flush=True)


def _names(text: Optional[str], known: Sequence[str], what: str) -> List[str]:
    if not text or text == "all":
        return list(known)
    names = text.replace(",", " ").split()
    for name in names:
        if name not in known:
            raise SystemExit(f"lab: there is no {what} {name!r}; known: {', '.join(known)}")
    return names


def _setup(args: argparse.Namespace) -> int:
    missing = set_up(_names(args.kernel, list(KERNELS), "kernel"), REPO, say)
    for one in missing:
        note = "" if one.needed else " (tests that want it will skip)"
        say(f"could not be had: {one.what}{note}: {one.why}")
    return 3 if any(one.needed for one in missing) else 0


def _run(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise SystemExit("lab: give a command to be run in the guest after --")
    installed = find_installed(args.kernel)
    if installed is None:
        say(f"kernel {args.kernel} is not here; run: make lab-setup")
        return 3
    kept = args.out is not None
    runs = os.path.join(cache_folder(), "runs")
    os.makedirs(runs, exist_ok=True)
    out = os.path.abspath(args.out) if kept else tempfile.mkdtemp(prefix="run-", dir=runs)
    os.makedirs(out, exist_ok=True)
    request = Request(
        kernel=installed,
        variant=VARIANTS[args.variant],
        command=tuple(command),
        out=out,
        folder=os.getcwd(),
        disk=args.disk,
        deadline_s=args.timeout,
        memory_mib=args.memory,
        boot=tuple(args.boot),
    )
    try:
        ended = run_guest(request, REPO, shown=sys.stdout.buffer)
    finally:
        if not kept:
            shutil.rmtree(out, ignore_errors=True)
    return _tell_end(ended, args)


def _tell_end(ended: Ended, args: argparse.Namespace) -> int:
    booted = "did not boot" if ended.booted_s is None else f"booted in {ended.booted_s:.0f} s"
    release = ended.release or "no release"
    say(f"{args.kernel} {args.variant}: {release}, {booted}, {ended.took_s:.0f} s in all")
    if ended.why is None and ended.status is not None:
        for trouble in ended.troubles:
            say(f"the console shows a {trouble.kind}: {trouble.line}")
        return ended.status
    say(f"the guest FAILED: {ended.why}; the end of its console:")
    print(end_of(ended.console), file=sys.stderr)
    return 124 if ended.why and ended.why.startswith("did not end within") else 125


def _test(args: argparse.Namespace) -> int:
    kernels = _names(args.kernel, list(KERNELS), "kernel") if args.kernel else None
    variants = _names(args.variant, list(VARIANTS), "variant") if args.variant else None
    try:
        chosen = cells_named(args.guests) if args.guests else cells(kernels, variants)
    except ValueError as error:
        raise SystemExit(f"lab: {error}") from None
    say(f"{len(chosen)} guests, {args.jobs} at a time")
    started = time.monotonic()
    # A row of some tests is no row of docs/kernels.md.
    below = "partial" if args.tests else "short" if args.short else ""
    asked = Lab(
        repo=REPO,
        results=args.results or os.path.join(RESULTS, below),
        python=guest_python(REPO),
        tests=tuple(args.tests.split()) if args.tests else (),
        short=args.short,
        deadline_s=args.timeout,
        jobs=args.jobs,
    )
    rows = run_cells(chosen, asked, say)
    print(render(rows))
    print(f"took {(time.monotonic() - started) / 60:.1f} minutes")
    return 0 if all(row.well for row in rows) else 1


def _docs(args: argparse.Namespace) -> int:
    results = args.results or RESULTS
    rows = read_rows(results) if os.path.isdir(results) else []
    if not rows:
        say("there are no results; run: make lab")
        return 3
    write_docs(rows, results, REPO)
    say(f"wrote docs/kernels.md and the table in README.md from {len(rows)} rows")
    return 0


def _pythons(args: argparse.Namespace) -> int:
    return test_pythons(REPO, args.pytest[1:] if args.pytest[:1] == ["--"] else args.pytest, say)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command_name", required=True)

    setup = commands.add_parser(
        "setup", help="fetch QEMU and the kernels; what is there is not fetched again"
    )
    setup.add_argument("--kernel", help="only these, as 5.10,6.1 (all)")
    setup.set_defaults(do=_setup)

    run = commands.add_parser("run", help="boot one guest and run one command in it, as root at first")
    run.add_argument("--kernel", choices=list(KERNELS), required=True)
    run.add_argument("--variant", choices=list(VARIANTS), default="default")
    run.add_argument(
        "--disk", action="store_true", help="give it a scratch disk; its name is in KDIAG_LAB_DISK"
    )
    run.add_argument("--out", help="keep the out folder (KDIAG_LAB_OUT in the guest) here")
    run.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="seconds for boot and command (600)"
    )
    run.add_argument("--memory", type=int, default=2048, metavar="MIB")
    run.add_argument(
        "--boot", action="append", default=[], metavar="PARAMETER", help="a further kernel parameter"
    )
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    run.set_defaults(do=_run)

    test = commands.add_parser("test", help="run tests/live in each kernel x variant, and print one table")
    test.add_argument("--kernel", help="only these, as 5.10,6.1")
    test.add_argument(
        "--variant", help="only these, or all (those that lab/variants.py chooses for each kernel)"
    )
    test.add_argument("--guests", help="exactly these, as 6.1:default,7.2:lockdown-integrity")
    test.add_argument("--tests", help="instead of tests/live: files, nodes or options of pytest")
    test.add_argument("--short", action="store_true", help="without what takes longest, as CI does")
    test.add_argument("--results", metavar="DIR", help="keep rows here (lab/results)")
    test.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="guests at a time; each keeps one CPU busy (2)"
    )
    test.add_argument(
        "--timeout", type=float, metavar="S", help="seconds for one guest (what its variant says, else 1200)"
    )
    test.set_defaults(do=_test)

    docs = commands.add_parser("docs", help="write docs/kernels.md and README's table from the last results")
    docs.add_argument("--results", metavar="DIR", help="where the rows are (lab/results)")
    docs.set_defaults(do=_docs)

    pythons = commands.add_parser(
        "pythons", help="run the unit tests on every supported Python that can be found"
    )
    pythons.add_argument("pytest", nargs=argparse.REMAINDER, metavar="-- ARGUMENTS of pytest")
    pythons.set_defaults(do=_pythons)
    return parser


def main(argv: Sequence[str]) -> int:
    """Does what `argv` asks; the exit status."""
    args = _parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        status: int = args.do(args)
    except (KeyboardInterrupt, Stopped):
        say("stopped")
        return 130
    return status


def _stop(number: int, _frame: Optional[FrameType]) -> None:
    stop_guests()
    raise KeyboardInterrupt
