"""Writes docs/kernels.md, and the table of kernels in README.md, from what the lab's guests said.

Nothing in them is typed in: what works is what passed, what is absent is what kdiag or a test said is absent,
in their own words. A guest that was not run has no row.
"""

import json
import os
import re
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from lab.kernels import KERNELS
from lab.results import Row
from lab.variants import VARIANTS

__all__ = ["kernels_page", "readme_table", "write_docs"]

BEGIN = "<!-- kernels: written by make lab-docs -->"
END = "<!-- /kernels -->"

_PLACES = {name: index for index, name in enumerate(KERNELS)}
_VARIANT_PLACES = {name: index for index, name in enumerate(VARIANTS)}


def _sorted(rows: Sequence[Row]) -> List[Row]:
    return sorted(rows, key=lambda row: (_PLACES[row.kernel], _VARIANT_PLACES[row.variant]))


def _name(row: Row) -> str:
    return row.kernel if row.variant == "default" else f"{row.kernel} {row.variant}"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> List[str]:
    rule = ["---"] * len(header)
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in (header, rule, *lines)
    ]


def _said(folder: str, row: Row, name: str) -> Optional[Dict[str, Any]]:
    path = os.path.join(folder, f"{row.kernel}-{row.variant}", name)
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _verdict(row: Row) -> str:
    return "well" if row.well else f"FAILED: {row.why or str(row.count('failed')) + ' tests'}"


def _without_figures(reason: str) -> str:
    """Reasons that differ only in a number or an address are one reason."""
    return re.sub(r"\b\d+(?:[.,]\d+)*\b(?! or later|\.\d)", "N", reason)


def absent_by_reason(said: Sequence[Tuple[Row, Dict[str, str]]]) -> List[Tuple[str, str, List[Row]]]:
    """(what, reason, rows) of what was said to be absent, for every reason; rows in their order."""
    found: Dict[Tuple[str, str], List[Tuple[Row, str]]] = {}
    for row, absent in said:
        for what, reason in absent.items():
            found.setdefault((what, _without_figures(reason)), []).append((row, reason))
    return [
        (what, told[0][1] if len({reason for _, reason in told}) == 1 else alike, [row for row, _ in told])
        for (what, alike), told in sorted(found.items(), key=lambda item: item[0])
    ]


def _health(document: Dict[str, Any]) -> Dict[str, str]:
    """What `kdiag snapshot --json` could not look at: check -> why."""
    absent = {item["id"]: item["reason"] for item in document.get("not_applicable", ())}
    absent.update(
        {item["id"]: item["summary"] for item in document.get("findings", ()) if item["status"] == "unknown"}
    )
    return absent


def _where(rows: Sequence[Row], all_rows: Sequence[Row]) -> str:
    """Names rows shortly: a kernel's every row by its kernel, a variant's every row by the variant."""
    if len(rows) == len(all_rows):
        return "everywhere"
    left = list(rows)
    parts = []
    for kernel in KERNELS:
        of_kernel = [row for row in all_rows if row.kernel == kernel]
        if of_kernel and all(row in left for row in of_kernel):
            parts.append(f"{kernel} (all)")
            left = [row for row in left if row.kernel != kernel]
    for variant in VARIANTS:
        of_variant = [row for row in all_rows if row.variant == variant]
        if (
            len(of_variant) > 1
            and all(row in rows for row in of_variant)
            and any(row in left for row in of_variant)
        ):
            parts.append(f"{variant} (all)")
            left = [row for row in left if row.variant != variant]
    return ", ".join(parts + [_name(row) for row in left])


def _absent_section(title: str, text: str, said: Sequence[Tuple[Row, Dict[str, str]]]) -> List[str]:
    if not said:
        return []
    asked = [row for row, _ in said]
    lines = [(f"`{what}`", reason, _where(rows, asked)) for what, reason, rows in absent_by_reason(said)]
    return ["", f"## {title}", "", text, "", *_table(("what", "why", "where"), lines)]


def kernels_page(rows: Sequence[Row], folder: str) -> str:
    """docs/kernels.md, whole."""
    rows = _sorted(rows)
    lines = [
        "# Kernels that kdiag was tried on",
        "",
        "Written by `make lab-docs` from what the guests of `make lab` said; nothing here is typed in.",
        "Each row is a stock Debian kernel that was booted in QEMU's emulation, in which `tests/live` made",
        "loads of known size and held kdiag's figures against them.",
        "",
        *_table(
            ("kernel", "package", "variant", "passed", "failed", "skipped", "verdict"),
            (
                (
                    row.kernel,
                    row.version,
                    row.variant,
                    *(str(row.count(outcome)) for outcome in ("passed", "failed", "skipped")),
                    _verdict(row),
                )
                for row in rows
            ),
        ),
        "",
        "## How to run it",
        "",
        "```",
        "make lab-setup                                 # QEMU and the kernels, newest patch versions, kept",
        "make lab                                       # every row of lab/variants.py, then a table",
        "make lab KERNEL=6.1 VARIANT=lockdown-integrity # one row",
        "make lab GUESTS=6.1:default,7.2:psi0 TESTS='tests/live/test_counts.py -k forks'",
        ".venv/bin/python -m lab run --kernel 6.12 -- uname -a   # any command, as root in the guest",
        "make lab-docs                                  # writes this page from the rows that were run last",
        "```",
        "",
        "A guest that panics, oopses, hangs, cannot prove its variant, or runs no test is a failure, and the",
        "end of its console is shown.",
        "",
        "## Variants",
        "",
        "Every guest proves that its variant is in force before the tests run; without that it has failed.",
        "",
        *_table(
            ("variant", "what it is", "how it is made", "tests run as"),
            ((v.name, v.why, " ".join(v.boot) or v.prepare or v.place, v.user) for v in VARIANTS.values()),
        ),
    ]
    skips = [(row, dict.fromkeys(row.skips(), "")) for row in rows]
    by_reason = absent_by_reason(skips)
    if by_reason:
        lines += ["", "## Tests that were skipped, and why", ""]
        lines += _table(("why", "where"), ((what, _where(where, rows)) for what, _, where in by_reason))
    health = [(row, _health(said)) for row in rows for said in [_said(folder, row, "snapshot.json")] if said]
    lines += _absent_section(
        "Checks that do not apply or cannot be judged",
        "What `kdiag snapshot` said in each guest at rest.",
        health,
    )
    lines += _mechanisms(rows, folder)
    lines += _tools(rows, folder)
    lines += ["", "## What is not run", "", *_not_run(rows)]
    return "\n".join(lines) + "\n"


def _mechanisms(rows: Sequence[Row], folder: str) -> List[str]:
    """What `kdiag doctor` found to work in each guest: a table of kernels as they are shipped, then what
    differs."""
    said = [
        (row, _trials(document))
        for row in rows
        for document in [_said(folder, row, "doctor.json")]
        if document
    ]
    if not said:
        return []
    plain = [(row, trials) for row, trials in said if row.variant == "default"] or said
    ids = list(dict.fromkeys(name for _, trials in said for name in trials))
    titles = {name: str(trial.get("title", "")) for _, trials in said for name, trial in trials.items()}
    table = [
        (
            f"`{name}`",
            titles[name],
            *(_WORKS[trials[name]["works"]] if name in trials else "" for _, trials in plain),
        )
        for name in ids
    ]
    absent = [
        (row, {name: _why(trial) for name, trial in trials.items() if not trial["works"]})
        for row, trials in said
    ]
    return [
        "",
        "## What works where",
        "",
        "Each was tried by `kdiag doctor` in the guest, not inferred from a version.",
        "",
        *_table(("capability", "what it is", *(_name(row) for row, _ in plain)), table),
        *_absent_section("What does not work, and why", "In the words of `kdiag doctor`.", absent),
    ]


def _tools(rows: Sequence[Row], folder: str) -> List[str]:
    """Which mechanisms answered each tool in each guest whose tests were all well."""
    said = [(row, _answered(folder, row)) for row in rows if row.well]
    said = [(row, answered) for row, answered in said if answered]
    if not said:
        return []
    tools = sorted({tool for _, answered in said for tool in answered})
    table = [
        (f"`{tool}`", *(", ".join(answered.get(tool, ())) or "-" for _, answered in said)) for tool in tools
    ]
    return [
        "",
        "## Tools, and the mechanisms that answered them",
        "",
        "Each was forced in turn by the tests of a known load, which demand the same exact rows of all.",
        "A guest in which any test failed is not shown.",
        "",
        *_table(("tool", *(f"{row.kernel} {row.variant}" for row, _ in said)), table),
    ]


def _answered(folder: str, row: Row) -> Dict[str, List[str]]:
    """Mechanisms by tool, best first, as tests/live/traced.py kept them."""
    path = os.path.join(folder, f"{row.kernel}-{row.variant}", "tools.jsonl")
    try:
        with open(path, encoding="utf-8") as file:
            told = [json.loads(line) for line in file]
    except FileNotFoundError:
        return {}
    answered: Dict[str, List[str]] = {}
    for mechanism in ("bcc", "bpf", "ftrace", "procfs"):
        for tool in sorted(
            {each["tool"] for each in told if each["mechanism"] == mechanism and each["answered"]}
        ):
            answered.setdefault(tool, []).append(mechanism)
    return answered


_WORKS = {True: "yes", False: "no", None: "not tried"}


def _trials(document: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    return {trial["id"]: trial for trial in document.get("capabilities", ())}


def _why(trial: Dict[str, Any]) -> str:
    """Why a capability is absent, with what was seen if that says more."""
    why, detail = trial.get("why") or "", trial.get("detail") or ""
    return f"{why} ({detail})" if why and detail else why or detail or "no reason was given"


def _not_run(rows: Sequence[Row]) -> List[str]:
    run = {(row.kernel, row.variant) for row in rows}
    missing = []
    for variant in VARIANTS:
        kernels = [kernel for kernel in KERNELS if (kernel, variant) not in run]
        if kernels:
            missing.append(f"{variant} on {', '.join(kernels)}")
    left_out: Dict[Tuple[str, ...], List[str]] = {}
    for each in VARIANTS.values():
        if each.left_out:
            left_out.setdefault(each.left_out, []).append(each.name)
    lines = [f"- {'; '.join(missing)}." if missing else "- Every kernel was run in every variant."]
    lines += [f"- `{' '.join(paths)}` in {', '.join(names)}." for paths, names in left_out.items()]
    lines.append("- Real hardware, KVM, other architectures than x86_64, more than two CPUs, NUMA.")
    lines.append("- Figures of time: under emulation only ratios within one guest mean anything.")
    return lines


def readme_table(rows: Sequence[Row]) -> str:
    """One line a kernel for README.md: which variants were well."""
    lines = []
    for kernel in KERNELS:
        of_kernel = [row for row in _sorted(rows) if row.kernel == kernel]
        if not of_kernel:
            continue
        well = [row.variant for row in of_kernel if row.well]
        bad = [row.variant for row in of_kernel if not row.well]
        outcomes = ("passed", "failed", "skipped")
        tests = ", ".join(f"{sum(row.count(o) for row in of_kernel)} {o}" for o in outcomes)
        lines.append((kernel, of_kernel[0].version, ", ".join(well) or "-", ", ".join(bad) or "-", tests))
    return "\n".join(_table(("kernel", "Debian package", "well in", "not well in", "live tests"), lines))


def write_docs(rows: Sequence[Row], folder: str, repo: str) -> None:
    """Writes docs/kernels.md whole, and the marked part of README.md."""
    with open(os.path.join(repo, "docs", "kernels.md"), "w", encoding="utf-8") as file:
        file.write(kernels_page(rows, folder))
    path = os.path.join(repo, "README.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md has no lines {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{readme_table(rows)}\n{END}{after}")
