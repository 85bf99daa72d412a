"""What each command does: open the host, look, print. Rendering is imported when it is used."""

import gc
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from kdiag.cli.failed import Failed
from kdiag.cli.output import open_root, style_of_output, write
from kdiag.health.check import Thresholds
from kdiag.health.checks import CHECKS
from kdiag.health.observe import Plan, observe, watch
from kdiag.health.snapshot import Snapshot
from kdiag.health.table import TableOptions
from kdiag.health.tables import TABLES
from kdiag.host.base import Host
from kdiag.procfs.catalogue import SOURCES

__all__ = ["RUNNERS", "run_explain", "run_files", "run_record"]

_FINDINGS = "findings"


def _thresholds(path: Optional[str], live: bool = True) -> Thresholds:
    """Return the site's overrides (for a live host) with those of ``path`` over them."""
    from kdiag.health.thresholds import BadThreshold, parse_thresholds
    from kdiag.host.settings import SITE_THRESHOLDS, read_settings

    merged: Dict[str, Dict[str, float]] = {}
    files = [(SITE_THRESHOLDS, True)] if live else []
    files += [(path, False)] if path is not None else []
    for name, optional in files:
        try:
            text = read_settings(name, optional)
            overrides = parse_thresholds(text, name, CHECKS) if text is not None else {}
        except OSError as error:
            raise Failed(f"thresholds: {name}: {error.strerror or error}") from None
        except (ValueError, BadThreshold) as error:
            raise Failed(f"thresholds: {error}") from None
        for check_id, values in overrides.items():
            merged.setdefault(check_id, {}).update(values)
    return merged


def _asked_sections(values: Dict[str, Any]) -> Tuple[str, ...]:
    """Return the sections that are named; one option may name several, with commas between."""
    return tuple(name for part in values.get("section", ()) for name in part.split(",") if name)


def _sections(names: Tuple[str, ...]) -> Optional[Tuple[str, ...]]:
    """Return the tables that are asked for, ``None`` for the usual ones."""
    if not names:
        return None
    known = sorted({table.section for table in TABLES})
    for name in names:
        if name not in (*known, _FINDINGS):
            raise Failed(f"there is no section {name!r}; there are: {_FINDINGS}, {', '.join(known)}")
    return tuple(name for name in names if name != _FINDINGS)


def _plan(values: Dict[str, Any], host: Host) -> Plan:
    return Plan(
        CHECKS,
        TABLES,
        interval_s=values["interval"],
        for_s=values.get("for"),
        once=values["once"],
        sections=_sections(_asked_sections(values)),
        options=TableOptions(
            values.get("per_cpu", False), values.get("top", 10), values.get("explain", False)
        ),
        thresholds=_thresholds(values["thresholds"], host.kind == "live"),
        fail_on=values["fail_on"],
        strict=values["debug"],
    )


def _renderer(values: Dict[str, Any]) -> Callable[[Snapshot], Iterable[str]]:
    """Return what turns a snapshot into lines of the format that is asked for."""
    if values["json"]:
        from kdiag.report.json_envelope import dump, snapshot_document

        indent = None if values["watch"] else 2
        return lambda snapshot: (dump(snapshot_document(snapshot, costs=values["timings"]), indent),)
    if values["markdown"]:
        from kdiag.report.snapshot_markdown import snapshot_markdown

        encoding = style_of_output().encoding
        return lambda snapshot: snapshot_markdown(snapshot, encoding)
    from kdiag.report.snapshot_text import snapshot_lines

    style, sections = style_of_output(), _asked_sections(values)
    return lambda snapshot: snapshot_lines(
        snapshot,
        style,
        findings=not sections or _FINDINGS in sections,
        all_findings=values["all"],
        timings=values["timings"],
    )


def run_snapshot(values: Dict[str, Any]) -> int:
    """Look at the host and print what is found; return the exit code of the (last) snapshot."""
    if values["once"] and (values["watch"] or values["for"]):
        raise Failed("--once takes one reading; it goes with neither --watch nor --for")
    if values["json"] and values["markdown"]:
        raise Failed("--json and --markdown exclude each other")
    render = _renderer(values)
    host = open_root(values["root"])
    try:
        plan = _plan(values, host)
        if not values["watch"]:
            snapshot = observe(host, plan)
            write(render(snapshot))
            return snapshot.exit_code
        return _watch(host, plan, render)
    finally:
        host.close()


def _watch(host: Host, plan: Plan, render: Callable[[Snapshot], Iterable[str]]) -> int:
    """Print a snapshot for each interval; Ctrl-C ends it well."""
    gc.enable()  # a long run collects after all
    code: Optional[int] = None
    try:
        for snapshot in watch(host, plan):
            write(render(snapshot))
            code = snapshot.exit_code
    except KeyboardInterrupt:
        return 0
    if code is None:
        raise Failed("there is no second reading to watch; without --watch one reading is enough")
    return code


def run_check(values: Dict[str, Any]) -> int:
    """Print one line with perfdata in the convention of the Monitoring Plugins, or the same as JSON."""
    from kdiag.report.nagios import failure_line, status_line

    try:
        host = open_root(values["root"])
        try:
            snapshot = observe(host, _plan(values, host)._replace(sections=()))
        finally:
            host.close()
    except Exception as error:
        # A monitoring system shows its users what stands on stdout.
        what = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        if not values["json"]:
            write((failure_line(what, style_of_output()),))
        raise
    if values["json"]:
        from kdiag.report.json_envelope import check_document, dump

        write((dump(check_document(snapshot), 2),))
    else:
        write((status_line(snapshot, style_of_output()),))
    return snapshot.exit_code


def run_explain(check_id: Optional[str], as_json: bool) -> int:
    """Explain one check, or list them all, with the thresholds that hold on this site."""
    site = _thresholds(None)
    chosen = [
        each._replace(thresholds={**each.thresholds, **site.get(each.id, {})})
        for each in CHECKS
        if check_id in (None, each.id)
    ]
    if not chosen:
        near = [each.id for each in CHECKS if each.id.split(".")[0] == str(check_id).split(".")[0]]
        raise Failed(
            f"there is no check {check_id!r}; there are: {', '.join(near or (c.id for c in CHECKS))}"
        )
    if as_json:
        from kdiag.report.json_envelope import dump, explain_document

        write((dump(explain_document(chosen), 2),))
        return 0
    from kdiag.report.listing import checks_lines, explain_lines

    write(
        checks_lines(chosen, style_of_output())
        if check_id is None
        else explain_lines(chosen[0], style_of_output())
    )
    return 0


def run_files(as_json: bool) -> int:
    """List every kernel file that kdiag reads."""
    rows = [source._asdict() for source in SOURCES]
    if as_json:
        from kdiag.report.json_envelope import dump, files_document

        write((dump(files_document(rows), 2),))
        return 0
    from kdiag.report.listing import files_lines

    write(files_lines(rows, style_of_output()))
    return 0


def run_record(folder: str, root: str, interval_s: float) -> int:
    """Record two readings of a host."""
    from kdiag.health.record import record
    from kdiag.host.record import CannotRecord

    host = open_root(root)
    try:
        told = record(host, folder, interval_s)
    except CannotRecord as error:
        raise Failed(str(error)) from None
    except KeyboardInterrupt:
        raise Failed(f"interrupted: the recording in {folder} is not whole") from None
    finally:
        host.close()
    write((style_of_output().safe(told),))
    return 0


RUNNERS: Dict[str, Callable[[Dict[str, Any]], int]] = {"snapshot": run_snapshot, "check": run_check}
