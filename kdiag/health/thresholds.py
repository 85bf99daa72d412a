"""Thresholds that a site overrides: an INI file with a section for each check.

::

    [fs.space]
    warning_pct = 5
    critical_pct = 2

``configparser`` is not used: it does not keep the line of a value, and a bad override must name its line.
"""

from typing import Dict, Iterable, Mapping, Optional

from kdiag.health.check import Check, Thresholds

__all__ = ["BadThreshold", "parse_thresholds"]


class BadThreshold(Exception):
    """An override that cannot be taken: where it stands, what is wrong, and what would do."""

    def __init__(self, path: str, line: int, what: str) -> None:
        super().__init__(f"{path}:{line}: {what}")


def parse_thresholds(text: str, path: str, checks: Iterable[Check]) -> Thresholds:
    """Return the overrides in a file; raises :class:`BadThreshold` for the first one that is wrong.

    Lines that begin with ``#`` or ``;`` are comments; what follows a number must be blank or a comment.
    """
    known: Dict[str, Mapping[str, float]] = {each.id: each.thresholds for each in checks}
    overrides: Dict[str, Dict[str, float]] = {}
    section: Optional[str] = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = _section(line, path, number, known)
            overrides.setdefault(section, {})
            continue
        if section is None:
            raise BadThreshold(path, number, f"{line!r} stands before the first [check]")
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise BadThreshold(path, number, f"{line!r} is not of the form: name = number")
        if name not in known[section]:
            names = ", ".join(sorted(known[section])) or "none"
            raise BadThreshold(path, number, f"{section} has no threshold {name!r} (it has: {names})")
        if name in overrides[section]:
            raise BadThreshold(path, number, f"{name} of {section} is given twice")
        overrides[section][name] = _number(value, path, number, name)
    return overrides


def _section(line: str, path: str, number: int, known: Mapping[str, Mapping[str, float]]) -> str:
    if not line.endswith("]"):
        raise BadThreshold(path, number, f"{line!r} lacks its closing bracket")
    section = line[1:-1].strip()
    if section not in known:
        raise BadThreshold(path, number, f"there is no check {section!r} (`kdiag explain` lists them)")
    return section


def _number(text: str, path: str, number: int, name: str) -> float:
    bare = text.split(" #")[0].split(" ;")[0].rstrip()
    try:
        value = float(bare)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadThreshold(path, number, f"{name} wants a number from 0 up, not {bare!r}")
    return value
