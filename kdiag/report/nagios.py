"""``kdiag check``: one line and perfdata, as the Monitoring Plugins guidelines have it.

``KDIAG CRITICAL - mem.psi: full avg10 is 43.1% (critical from 40%); 1 warning: io.psi | 'mem.psi'=43.1%``

The state is that of the exit code. Perfdata are the values of the findings whose unit the guidelines know;
a value that is bad when low has its thresholds as ranges (``10:`` alerts below 10). A value kept since boot
is not among them: in a graph of rates it would be false.
"""

import math
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.health.exit_code import NOT_JUDGED, WARNING
from kdiag.health.finding import SINCE_BOOT, Finding
from kdiag.health.snapshot import Snapshot
from kdiag.records import NamedTuple
from kdiag.report import digest, escape
from kdiag.report.layout import shorten
from kdiag.report.terminal import Style

__all__ = ["Gauge", "failure_line", "gauges", "status_line"]

#: By exit code.
_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
#: A finding's unit, its unit of measurement (UOM) in perfdata, and how its thresholds' names end.
_UNITS: Mapping[str, Tuple[str, str]] = {
    "%": ("%", "_pct"),
    "s": ("s", "_s"),
    "B": ("B", "_bytes"),
    "c": ("c", ""),
    "": ("", ""),
}
#: Nagios Core and the agents between it and us cut longer answers off, at the end of the perfdata first.
_MOST_BYTES = 8192
_MOST_SUMMARY = 400
_MOST_NAMES = 1200


class Gauge(NamedTuple):
    """One value of perfdata; ``warning`` and ``critical`` are ranges, empty where there are none."""

    label: str
    value: float
    uom: str
    warning: str
    critical: str

    def __str__(self) -> str:
        """Write it as perfdata.

        >>> print(Gauge("fs.space_/", 7.5, "%", "10:", "3:"))
        'fs.space_/'=7.5%;10:;3:
        """
        label = escape.nagios(self.label).replace("'", "''").replace("=", "\\x3d")
        ranges = f";{self.warning};{self.critical}" if self.warning or self.critical else ""
        return f"'{label}'={_number(self.value)}{self.uom}{ranges}"


def gauges(snapshot: Snapshot) -> List[Gauge]:
    """Return the values of a snapshot that perfdata can hold, worst first, each label once."""
    found: Dict[str, Gauge] = {}
    for finding in snapshot.findings:
        gauge = _gauge(finding)
        if gauge is not None:
            found.setdefault(gauge.label, gauge)
    return list(found.values())


def status_line(snapshot: Snapshot, style: Style) -> str:
    """Return the line, with what does not fit left out and counted."""
    text = f"KDIAG {_STATES[snapshot.exit_code]} - {'; '.join(_sentences(snapshot, style))}"
    perfdata = [escape.encodable(str(gauge), style.encoding) for gauge in gauges(snapshot)]
    line = _joined(text, perfdata)
    if len(line.encode(style.encoding)) <= _MOST_BYTES:
        return line
    note = "; {} values left out"
    room = _MOST_BYTES - len(_joined(text + note.format(len(perfdata)), [""]).encode(style.encoding))
    shown = 0
    for value in perfdata:
        room -= len(value.encode(style.encoding)) + 1
        if room < 0:
            break
        shown += 1
    return _joined(text + note.format(len(perfdata) - shown), perfdata[:shown])


def failure_line(what: str, style: Style) -> str:
    """Return the line that stands for a check which could not be made at all.

    >>> print(failure_line("/x.ini: not a regular file", Style()))
    KDIAG UNKNOWN - /x.ini: not a regular file
    """
    return f"KDIAG {_STATES[NOT_JUDGED]} - {_text(what, _MOST_NAMES, style)}"


def _joined(text: str, perfdata: List[str]) -> str:
    return f"{text} | {' '.join(perfdata)}" if perfdata else text


def _sentences(snapshot: Snapshot, style: Style) -> Iterator[str]:
    """Yield what is wrong, or that nothing is, and how much is not known."""
    wrong = [finding for finding in snapshot.findings if finding.status in ("critical", "warning")]
    if not wrong:
        yield _text(digest.verdict(snapshot)[1], _MOST_NAMES, style)
        yield digest.passed(snapshot)
        if snapshot.exit_code == WARNING:  # --fail-on info
            yield from (_text(told, _MOST_NAMES, style) for told in digest.tally(snapshot.findings, "info"))
        return
    first, others = wrong[0], wrong[1:]
    yield f"{_text(digest.label(first), _MOST_NAMES, style)}: {_text(first.summary, _MOST_SUMMARY, style)}"
    for status in ("critical", "warning"):
        yield from (f"+{_text(told, _MOST_NAMES, style)}" for told in digest.tally(others, status))
    for told in digest.tally(snapshot.findings, "unknown"):
        yield _text(told, _MOST_NAMES, style)


def _text(text: str, width: int, style: Style) -> str:
    # A summary's own semicolon is punctuation; in a name it would be data.
    safe = escape.encodable(escape.nagios(text.replace("; ", ", ")), style.encoding)
    return shorten(safe, width, style.ellipsis)


def _gauge(finding: Finding) -> Optional[Gauge]:
    if finding.value is None or not math.isfinite(finding.value) or finding.unit not in _UNITS:
        return None
    if finding.status == "unknown" or finding.basis == SINCE_BOOT:
        return None
    uom, ending = _UNITS[finding.unit]
    label = f"{finding.id}_{finding.subject}" if finding.subject else finding.id
    return Gauge(label, finding.value, uom, *_ranges(finding.thresholds, ending))


def _ranges(thresholds: Mapping[str, float], ending: str) -> Tuple[str, str]:
    """Return the ranges that do not alert. Which side is bad shows in which threshold is the higher."""
    warning, critical = thresholds.get(f"warning{ending}"), thresholds.get(f"critical{ending}")
    if warning is None or critical is None or warning == critical:
        return "", ""
    side = "" if critical > warning else ":"
    return f"{_number(warning)}{side}", f"{_number(critical)}{side}"


def _number(value: float) -> str:
    """Write a number without an exponent, which perfdata do not have."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
