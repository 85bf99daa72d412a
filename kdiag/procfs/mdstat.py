"""``/proc/mdstat``: the state of Linux software RAID.

Named in md(4), made by md_seq_show() in drivers/md/md.c and the status() of each personality. The file
exists only while md is in the kernel. An array is a line ``NAME : STATE [(read-only)] LEVEL MEMBERS`` and
indented lines: size and shape, then progress of a resync, recovery, check or reshape if there is one, then
the bitmap. A block is 1 KiB.

``[n/m] [UU_]`` is printed by the levels that can lose a member: wanted disks, working disks, and one letter
for each place, ``_`` where nobody works. Linear, raid0 and inactive arrays have none, and ``raid_disks`` is
``None`` there. Members carry flags: (W) write-mostly, (J) journal, (F) faulty, (S) spare, (R) replacement.
Traps: the numbers in ``sda1[5]`` are not places in ``[UU_]``; a waiting resync has a word in place of
numbers (``resync=DELAYED``, ``PENDING`` until the first write to an auto-read-only array, ``REMOTE`` on
another node of a cluster); newer kernels print ``broken`` for ``active`` once too many members are lost.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, signed, unsigned
from kdiag.records import NamedTuple

__all__ = ["MdArray", "MdMember", "MdStat", "MdSync", "parse_mdstat"]

_ARRAY_WANTED = "NAME : STATE [(read-only)] [LEVEL] MEMBER[N]..."
_DETAIL_WANTED = "N blocks ..., or [==>...] ACTION = N.N% (N/N) finish=N.Nmin speed=NK/sec"
# Left to the cache of ``re``: most hosts have no such file, and compiling these costs more than reading most.
_MEMBER = rb"(.+)\[(-?\d+)\]((?:\([A-Z]\))*)"
_PERSONALITY = rb"\[([^\]]+)\]"
_BLOCKS = rb"(\d+) blocks\b\s*(.*)"
_SHAPE = rb" ?\[(\d+)/(\d+)\] \[([U_]+)\]"
_PROGRESS = (
    rb"(?:\[[=>.]*\]\s*)?([a-z]+)\s*=\s*(\d{1,3}(?:\.\d)?)%"
    rb"(?: \((\d+)/(\d+)\))?(?: finish=(\d{1,20}(?:\.\d)?)min)?(?: speed=(-?\d+)K/sec)?"
)
_WAITING = rb"([a-z]+)=([A-Z]+)"


class MdMember(NamedTuple):
    """A device of an array, with its number in the superblock and its flags as the kernel prints them."""

    name: str
    number: int
    flags: Tuple[str, ...]

    @property
    def faulty(self) -> bool:
        """Whether md has given up on this device."""
        return "F" in self.flags

    @property
    def spare(self) -> bool:
        """Whether this device waits for another one to fail."""
        return "S" in self.flags


class MdSync(NamedTuple):
    """A resync, recovery, check or reshape; ``waiting`` is the word of one that does not run."""

    action: str
    waiting: Optional[str]
    done_pct: Optional[float]
    done_kib: Optional[int]
    total_kib: Optional[int]
    finish_minutes: Optional[float]
    speed_kib_per_s: Optional[int]


class MdArray(NamedTuple):
    """An array; ``extra`` holds the rest of what the kernel says: superblock, chunks, bitmap."""

    name: str
    state: str
    read_only: Optional[str]
    level: Optional[str]
    members: Tuple[MdMember, ...]
    size_kib: Optional[int]
    raid_disks: Optional[int]
    working_disks: Optional[int]
    places: Optional[str]
    sync: Optional[MdSync]
    extra: Tuple[str, ...]

    @property
    def missing_disks(self) -> Optional[int]:
        """How many places nobody fills; ``None`` for a level that has no redundancy to lose."""
        if self.raid_disks is None or self.working_disks is None:
            return None
        return self.raid_disks - self.working_disks


class MdStat(NamedTuple):
    """The loaded personalities, the arrays in the kernel's order, and the devices in no array."""

    personalities: Tuple[str, ...]
    arrays: Tuple[MdArray, ...]
    unused_devices: Tuple[str, ...]
    problems: Tuple[Problem, ...] = ()


def parse_mdstat(data: bytes, path: str = "/proc/mdstat") -> MdStat:
    r"""Parse the arrays.

    >>> parsed = parse_mdstat(
    ...     b"Personalities : [raid1] \n"
    ...     b"md0 : active raid1 sdb1[1](F) sda1[0]\n"
    ...     b"      976630464 blocks super 1.2 [2/1] [U_]\n"
    ...     b"      \n"
    ...     b"unused devices: <none>\n")
    >>> array = parsed.arrays[0]
    >>> array.level, array.missing_disks, array.places, [m.name for m in array.members if m.faulty]
    ('raid1', 1, 'U_', ['sdb1'])
    """
    problems: List[Problem] = []
    personalities: List[str] = []
    arrays: List[MdArray] = []
    unused: List[str] = []
    inside = False  # whether indented lines belong to the last array
    for number, line in complete_lines(data, path, problems):
        words = line.strip()
        if not words:
            continue
        if line[:1] in b" \t":
            updated = _with_detail(arrays[-1], words) if inside else None
            if updated is None:
                problems.append(problem(path, number, line, _DETAIL_WANTED if inside else _ARRAY_WANTED))
            else:
                arrays[-1] = updated
            continue
        inside = False
        heading, _, rest = line.partition(b":")
        if heading == b"Personalities ":
            personalities += [decode(name) for name in re.findall(_PERSONALITY, rest)]
        elif heading == b"unused devices":
            unused += [decode(name) for name in rest.split() if name != b"<none>"]
        else:
            array = _parse_array(line)
            if array is None:
                problems.append(problem(path, number, line, _ARRAY_WANTED))
            else:
                inside = True
                arrays.append(array)
    return MdStat(tuple(personalities), tuple(arrays), tuple(unused), tuple(problems))


def _parse_array(line: bytes) -> Optional[MdArray]:
    name, separator, rest = line.partition(b" : ")
    words = rest.split()
    if not separator or not name or not words or not words[0].isalpha():
        return None
    state, words = words[0], words[1:]
    read_only = level = None
    if words and words[0].startswith(b"("):
        read_only = decode(words.pop(0).strip(b"()"))
    # An inactive array has no level; without members its superblock follows on the same line.
    if words and words[0] != b"super" and not re.fullmatch(_MEMBER, words[0]):
        level = decode(words.pop(0))
    members: List[MdMember] = []
    extra: List[str] = []
    for word in words:
        member = _parse_member(word)
        if member is None:
            extra.append(decode(word))
        else:
            members.append(member)
    return MdArray(
        name=decode(name),
        state=decode(state),
        read_only=read_only,
        level=level,
        members=tuple(members),
        size_kib=None,
        raid_disks=None,
        working_disks=None,
        places=None,
        sync=None,
        extra=(" ".join(extra),) if extra else (),
    )


def _parse_member(word: bytes) -> Optional[MdMember]:
    match = re.fullmatch(_MEMBER, word)
    number = signed(match.group(2)) if match else None
    if match is None or number is None:
        return None
    flags = match.group(3).decode("ascii").replace("(", "").replace(")", "")
    return MdMember(decode(match.group(1)), number, tuple(flags))


def _with_detail(array: MdArray, words: bytes) -> Optional[MdArray]:
    """Add what an indented line says; ``None`` for a line of progress or size that cannot be read."""
    blocks = re.fullmatch(_BLOCKS, words)
    if blocks is not None:
        shape = re.search(_SHAPE, blocks.group(2))
        rest = re.sub(_SHAPE, b"", blocks.group(2), count=1)
        return array._replace(
            size_kib=unsigned(blocks.group(1)),
            raid_disks=unsigned(shape.group(1)) if shape else None,
            working_disks=unsigned(shape.group(2)) if shape else None,
            places=decode(shape.group(3)) if shape else None,
            extra=(*array.extra, decode(rest)) if rest else array.extra,
        )
    waiting = re.fullmatch(_WAITING, words)
    if waiting is not None:
        action, word = decode(waiting.group(1)), decode(waiting.group(2))
        return array._replace(sync=MdSync(action, word, None, None, None, None, None))
    progress = re.match(_PROGRESS, words)
    if progress is not None:
        rest = words[progress.end() :].strip()
        extra = (*array.extra, decode(rest)) if rest else array.extra
        return array._replace(sync=_parse_progress(progress), extra=extra)
    if words.startswith(b"[") or b"blocks" in words.split():
        return None
    return array._replace(extra=(*array.extra, decode(words)))


def _parse_progress(match: "re.Match[bytes]") -> MdSync:
    action, done_pct, done, total, finish, speed = match.groups()
    return MdSync(
        action=decode(action),
        waiting=None,
        done_pct=float(done_pct),
        done_kib=None if done is None else unsigned(done),
        total_kib=None if total is None else unsigned(total),
        finish_minutes=None if finish is None else float(finish),
        speed_kib_per_s=None if speed is None else signed(speed),
    )
