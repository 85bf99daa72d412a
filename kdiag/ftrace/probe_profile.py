"""``kprobe_profile`` and ``uprobe_profile``: how often each probe was hit, counted also while tracing is off.

Documented in Documentation/trace/kprobetrace.rst and uprobetracer.rst, made by probes_profile_seq_show() of
kernel/trace/trace_kprobe.c and trace_uprobe.c. A line is ``name hits missed``; that of a uprobe
``/path name hits``, and the path may hold blanks. Names of kprobes stand without their group, so the same one
may be there twice. ``missed`` counts calls that a return probe had no free instance for, and hits inside of
another probe.
"""

from typing import Callable, List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["ProbeProfile", "ProbeProfiles", "parse_kprobe_profile", "parse_uprobe_profile"]


class ProbeProfile(NamedTuple):
    """One probe; ``path`` is that of a uprobe's program, ``missed`` is ``None`` where it is not counted."""

    name: str
    hits: int
    missed: Optional[int]
    path: Optional[str] = None


class ProbeProfiles(NamedTuple):
    """All probes, in the kernel's order."""

    probes: Tuple[ProbeProfile, ...]
    problems: Tuple[Problem, ...] = ()


def parse_kprobe_profile(data: bytes, path: str = "kprobe_profile") -> ProbeProfiles:
    r"""Parse ``kprobe_profile``.

    >>> parse_kprobe_profile(b"  miss                           8              20\n").probes
    (ProbeProfile(name='miss', hits=8, missed=20, path=None),)
    """
    return _parse(data, path, "NAME HITS MISSED", _kprobe)


def parse_uprobe_profile(data: bytes, path: str = "uprobe_profile") -> ProbeProfiles:
    r"""Parse ``uprobe_profile``.

    >>> parse_uprobe_profile(b"  /bin/my work up                                            2\n").probes
    (ProbeProfile(name='up', hits=2, missed=None, path='/bin/my work'),)
    """
    return _parse(data, path, "PATH NAME HITS", _uprobe)


def _kprobe(line: bytes) -> Optional[ProbeProfile]:
    tokens = line.split()
    hits, missed = (unsigned(tokens[1]), unsigned(tokens[2])) if len(tokens) == 3 else (None, None)
    return None if hits is None or missed is None else ProbeProfile(decode(tokens[0]), hits, missed)


def _uprobe(line: bytes) -> Optional[ProbeProfile]:
    tokens = line.strip().rsplit(None, 2)
    hits = unsigned(tokens[2]) if len(tokens) == 3 else None
    return None if hits is None else ProbeProfile(decode(tokens[1]), hits, None, decode(tokens[0]))


def _parse(
    data: bytes, path: str, wanted: str, parse_line: Callable[[bytes], Optional[ProbeProfile]]
) -> ProbeProfiles:
    problems: List[Problem] = []
    probes: List[ProbeProfile] = []
    for number, line in complete_lines(data, path, problems):
        found = parse_line(line)
        if found is None:
            problems.append(problem(path, number, line, wanted))
        else:
            probes.append(found)
    return ProbeProfiles(tuple(probes), tuple(problems))
