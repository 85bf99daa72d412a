"""Every command's answer as one JSON document in one envelope; the schemas are in ``schemas/``.

Names stand in it as they are, control characters and all, for JSON has its own escapes; only bytes that
are not UTF-8, which JSON cannot hold, become ``\\xNN``. What is not known is ``null``, and so is a number
that JSON has no word for (NaN, infinity).
"""

import math
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence

from kdiag import __version__
from kdiag.health.check import Check
from kdiag.health.snapshot import Snapshot
from kdiag.host.base import Failure
from kdiag.report import digest
from kdiag.report.escape import unicode_only
from kdiag.report.listing import FILE_FIELDS
from kdiag.report.nagios import gauges, status_line
from kdiag.report.terminal import Style

__all__ = ["check_document", "dump", "envelope", "explain_document", "files_document", "snapshot_document"]

Document = Dict[str, Any]

_ISO_8601 = "%Y-%m-%dT%H:%M:%SZ"
#: What a check says of itself; how it runs is not for the reader.
_CHECK_FIELDS = tuple(field for field in Check._fields if field != "run")


def dump(document: Mapping[str, Any], indent: Optional[int] = None) -> str:
    """Return a document as text in ASCII, on one line unless it is indented."""
    import json

    return json.dumps(document, allow_nan=False, indent=indent)


def snapshot_document(snapshot: Snapshot, *, costs: bool = False) -> Document:
    """Return a snapshot as ``kdiag/snapshot/1``, with what reading cost if asked for."""
    body: Document = {
        "basis": snapshot.basis,
        "findings": snapshot.findings,
        "not_applicable": snapshot.not_applicable,
        "tables": _tables(snapshot),
        "notes": snapshot.notes,
    }
    if costs:
        body["costs"] = snapshot.costs
    return _of_snapshot("snapshot", body, snapshot)


def check_document(snapshot: Snapshot) -> Document:
    """Return what ``check`` prints, in its parts, as ``kdiag/check/1``."""
    body = {
        "basis": snapshot.basis,
        "line": status_line(snapshot, Style()),
        "gauges": gauges(snapshot),
        "findings": snapshot.findings,
        "not_applicable": snapshot.not_applicable,
        "notes": snapshot.notes,
    }
    return _of_snapshot("check", body, snapshot)


def explain_document(checks: Iterable[Check]) -> Document:
    """Return what checks say of themselves as ``kdiag/explain/1``."""
    described = [{field: getattr(check, field) for field in _CHECK_FIELDS} for check in checks]
    return envelope("explain", {"checks": described}, 0)


def files_document(rows: Sequence[Mapping[str, Any]]) -> Document:
    """Return the list of kernel files as ``kdiag/files/1``."""
    return envelope("files", {"files": [{field: row[field] for field in FILE_FIELDS} for row in rows]}, 0)


def envelope(
    command: str,
    body: Document,
    exit_code: int,
    *,
    host: Optional[Mapping[str, Any]] = None,
    started_ns: Optional[int] = None,
    duration_s: Optional[float] = None,
    mechanism: Optional[Mapping[str, Any]] = None,
    failures: Sequence[Failure] = (),
    problems: Sequence[Any] = (),
    lost: int = 0,
) -> Document:
    """Put what every command says around its body; a command that looks at no host has none to name.

    ``started_ns`` is in nanoseconds since the epoch; ``mechanism`` names the one in use, and under
    ``passed_over`` each better one with the reason why it was not.
    """
    document = {
        "schema": f"kdiag/{command}/1",
        "tool": {"name": "kdiag", "version": __version__},
        "host": host,
        "started": None if started_ns is None else digest.utc(started_ns, _ISO_8601),
        "duration_s": duration_s,
        "mechanism": mechanism,
        **body,
        "incomplete": {
            "failures": [{**failure._asdict(), "message": str(failure)} for failure in failures],
            "problems": problems,
        },
        "lost": lost,
        "exit_code": exit_code,
    }
    plain: Document = _plain(document)
    return plain


def _of_snapshot(command: str, body: Document, snapshot: Snapshot) -> Document:
    return envelope(
        command,
        body,
        snapshot.exit_code,
        host=_host(snapshot),
        started_ns=snapshot.started_ns,
        duration_s=snapshot.duration_s,
        mechanism={"name": "procfs", "passed_over": []},
        failures=snapshot.failures,
        problems=snapshot.problems,
    )


def _host(snapshot: Snapshot) -> Document:
    return {**snapshot.host._asdict(), "kind": snapshot.kind, "root": snapshot.root}


def _tables(snapshot: Snapshot) -> Document:
    """Return the tables by section; a section may have several."""
    return {
        section: [
            {
                "title": table.title,
                "basis": table.basis,
                "rows": table.as_dicts(),
                "notes": table.notes,
                "missing": table.missing or None,
            }
            for table in tables
        ]
        for section, tables in digest.grouped(snapshot.tables, lambda table: table.section).items()
    }


def _plain(value: Any) -> Any:
    """Return a value in nothing but what JSON knows; a record becomes an object of its fields."""
    if isinstance(value, str):
        return unicode_only(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {unicode_only(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
