"""``/etc/os-release``: the name of the distribution.

Documented in os-release(5). Not a kernel file: lines of ``NAME=value`` as a shell would read them, but
without expansion or joined pieces. Values with blanks or special characters stand in double quotes, where
a backslash protects a quote, a dollar, a backtick and itself, or in single quotes, where nothing is
special. Of two assignments the last one counts. A last line without a newline is as good as any other.
"""

import re
from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, decode, problem
from kdiag.records import NamedTuple

__all__ = ["OsRelease", "parse_os_release"]

_WANTED = "NAME=value, quoted as a shell wants it"
_ASSIGNMENT = re.compile(
    rb"([A-Za-z_][A-Za-z0-9_]*)="
    rb"(?:\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'\\]*))[ \t]*"
)
_PROTECTED = re.compile(rb"\\([\"$`\\])")


class OsRelease(NamedTuple):
    """The assignments that name a distribution; all others stand in ``extra``."""

    pretty_name: Optional[str]
    name: Optional[str]
    id: Optional[str]
    id_like: Optional[str]
    version_id: Optional[str]
    extra: Mapping[str, str]
    problems: Tuple[Problem, ...] = ()


def parse_os_release(data: bytes, path: str = "/etc/os-release") -> OsRelease:
    r"""Parse the assignments.

    >>> parsed = parse_os_release(b'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n')
    >>> parsed.pretty_name, parsed.id, parsed.version_id, parsed.id_like
    ('Debian GNU/Linux 12', 'debian', '12', None)
    """
    problems: List[Problem] = []
    values: Dict[str, str] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        stripped = line.lstrip(b" \t")
        if not stripped or stripped.startswith(b"#"):
            continue
        match = _ASSIGNMENT.fullmatch(stripped)
        if match is None:
            problems.append(problem(path, number, line, _WANTED))
            continue
        double, single, bare = match.group("double", "single", "bare")
        value = single or bare or b"" if double is None else _PROTECTED.sub(rb"\1", double)
        values[decode(match.group(1))] = decode(value)
    known = [values.pop(name.upper(), None) for name in OsRelease._fields[:5]]
    return OsRelease._make((*known, values, tuple(problems)))
