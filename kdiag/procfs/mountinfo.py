"""``/proc/self/mountinfo``: every mount that this process can see.

Documented in Documentation/filesystems/proc.rst (3.5), made by show_mountinfo() in fs/proc_namespace.c. Six
fields, none or more optional ones (``shared:N master:N propagate_from:N unbindable``), a lone ``-``, then
type, source and the options of the file system itself. One mount namespace, and only what lies below the
reader's root. Since 2.6.26. Some hosts have tens of thousands of mounts, and the file exceeds 1 MiB.

Traps: fields are separated by one blank each and a source may be empty, so two blanks in a row mean
something; a carriage return or other blank-like byte in a path is not escaped (blank, tab, newline and
backslash are, as ``\\040`` and its kin). A file system that went read-only after an error shows ``ro`` in
``super_options`` while ``options``, of the mount alone, may still say ``rw``. A comma inside double quotes
(SELinux contexts) does not end an option.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unescape_octal, unsigned
from kdiag.records import NamedTuple

__all__ = ["Mount", "MountInfo", "parse_mountinfo", "split_options"]

_WANTED = "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS"
_FIXED = 6
_OPTION = rb'(?:[^,"]+|"[^"]*"?)+'


class Mount(NamedTuple):
    """One mount; paths and names are unescaped, and bytes that are not UTF-8 survive in them."""

    mount_id: int
    parent_id: int
    major: int
    minor: int
    root: str
    mount_point: str
    options: Tuple[str, ...]
    optional_fields: Tuple[str, ...]
    fs_type: str
    source: str
    super_options: Tuple[str, ...]

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here, be it for the mount or for the file system below it."""
        return "ro" in self.options or "ro" in self.super_options


class MountInfo(NamedTuple):
    """All mounts, in the kernel's order: a later one may cover an earlier one at the same place."""

    mounts: Tuple[Mount, ...]
    problems: Tuple[Problem, ...] = ()


def parse_mountinfo(data: bytes, path: str = "/proc/self/mountinfo") -> MountInfo:
    r"""Parse the mounts.

    >>> parsed = parse_mountinfo(
    ...     rb"36 35 98:0 / /mnt/my\040disk rw,noatime shared:1 master:2 - ext3 /dev/sdb1 ro,errors=continue"
    ...     b"\n")
    >>> mount = parsed.mounts[0]
    >>> mount.mount_point, mount.fs_type, mount.source, mount.optional_fields, mount.read_only
    ('/mnt/my disk', 'ext3', '/dev/sdb1', ('shared:1', 'master:2'), True)
    """
    problems: List[Problem] = []
    mounts: List[Mount] = []
    for number, line in complete_lines(data, path, problems):
        mount = _parse_line(line)
        if mount is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            mounts.append(mount)
    return MountInfo(tuple(mounts), tuple(problems))


def split_options(text: bytes) -> Tuple[str, ...]:
    r"""Split mount options at their commas, which are those outside of double quotes.

    >>> split_options(b'rw,context="system_u:object_r:tmp_t:s0:c1,c2",size=4k')
    ('rw', 'context="system_u:object_r:tmp_t:s0:c1,c2"', 'size=4k')
    """
    options = re.findall(_OPTION, text) if b'"' in text else [option for option in text.split(b",") if option]
    # Unescaped only now: a comma inside of an option is escaped as \054 by some file systems (overlay).
    return tuple([_text(option) for option in options])


def _parse_line(line: bytes) -> Optional[Mount]:
    fields = line.split(b" ")
    try:
        dash = fields.index(b"-", _FIXED)
    except ValueError:
        return None
    mount_id, parent_id = unsigned(fields[0]), unsigned(fields[1])
    major_text, _, minor_text = fields[2].partition(b":")
    major, minor = unsigned(major_text), unsigned(minor_text)
    if mount_id is None or parent_id is None or major is None or minor is None or len(fields) < dash + 4:
        return None
    return Mount(
        mount_id,
        parent_id,
        major,
        minor,
        _text(fields[3]),
        _text(fields[4]),
        split_options(fields[5]),
        tuple([_text(field) for field in fields[_FIXED:dash]]),
        _text(fields[dash + 1]),
        _text(fields[dash + 2]),
        split_options(b" ".join(fields[dash + 3 :])),
    )


def _text(field: bytes) -> str:
    return decode(unescape_octal(field))
