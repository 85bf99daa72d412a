"""``/etc/fstab``: what the administrator wants mounted, and how.

Documented in fstab(5), read by mount(8). Not a kernel file: people write it, so a last line without a newline
is as good as any other and is used; a file that was cut off inside an option therefore cannot be told from
one that ends there. Fields are separated by blanks and tabs, with ``\\040`` and its kin for those inside a
field. ``#`` starts a comment line, or a comment behind the options. The options and the two numbers behind
them may be missing.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.mountinfo import split_options
from kdiag.procfs.text import Problem, decode, problem, unescape_octal, unsigned
from kdiag.records import NamedTuple

__all__ = ["Fstab", "FstabEntry", "parse_fstab"]

_WANTED = "SOURCE MOUNTPOINT TYPE [OPTIONS [FREQUENCY [PASS]]]"


class FstabEntry(NamedTuple):
    """One wanted mount; ``source`` may be a tag (``UUID=...``), ``mount_point`` is ``none`` for swap."""

    source: str
    mount_point: str
    fs_type: str
    options: Tuple[str, ...]
    dump_frequency: Optional[int]
    check_pass: Optional[int]

    @property
    def read_only(self) -> bool:
        """Whether the administrator wants it read-only: of ``ro`` and ``rw`` the last one counts."""
        stated = [option for option in self.options if option in ("ro", "rw")]
        return stated[-1:] == ["ro"]


class Fstab(NamedTuple):
    """All entries, in the file's order."""

    entries: Tuple[FstabEntry, ...]
    problems: Tuple[Problem, ...] = ()


def parse_fstab(data: bytes, path: str = "/etc/fstab") -> Fstab:
    r"""Parse the wanted mounts.

    >>> parsed = parse_fstab(
    ...     b"# <file system> <mount point> <type> <options> <dump> <pass>\n"
    ...     rb"UUID=6c2f /srv/my\040data ext4 defaults,noatime 0 2" b"\n")
    >>> entry = parsed.entries[0]
    >>> entry.mount_point, entry.options, entry.check_pass, entry.read_only
    ('/srv/my data', ('defaults', 'noatime'), 2, False)
    """
    problems: List[Problem] = []
    entries: List[FstabEntry] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        stripped = line.strip(b" \t")
        if not stripped or stripped.startswith(b"#"):
            continue
        entry = _parse_line(stripped)
        if entry is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            entries.append(entry)
    return Fstab(tuple(entries), tuple(problems))


def _parse_line(stripped: bytes) -> Optional[FstabEntry]:
    # Not split() without an argument: a carriage return and its like are part of a field.
    fields = [field for field in stripped.replace(b"\t", b" ").split(b" ") if field]
    for index in range(3, len(fields)):
        if fields[index].startswith(b"#"):
            del fields[index:]
            break
    if not 3 <= len(fields) <= 6:
        return None
    source, mount_point, fs_type = [decode(unescape_octal(field)) for field in fields[:3]]
    options = split_options(fields[3]) if len(fields) > 3 else ()
    numbers = [unsigned(field) for field in fields[4:]]
    if None in numbers:
        return None
    frequency, check_pass = (*numbers, None, None)[:2]
    return FstabEntry(source, mount_point, fs_type, options, frequency, check_pass)
