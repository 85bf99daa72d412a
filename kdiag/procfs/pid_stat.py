r"""``/proc/<pid>/stat`` and ``/proc/<pid>/task/<tid>/stat``: state, CPU time and memory of one task.

Documented in proc_pid_stat(5), made by do_task_stat() in fs/proc/array.c. Times are in clock ticks
(``SC_CLK_TCK``), ``rss`` in pages, ``vsize`` and ``rsslim`` in bytes.

Columns by kernel: 41 in 2.6.0, ``delayacct_blkio_ticks`` since 2.6.18, the guest times since 2.6.24 (44 in
all), ``start_data`` to ``start_brk`` since 3.3 (47), ``arg_start`` to ``exit_code`` since 3.5 (52).

Traps. The name is printed raw: it may hold blanks, ``)``, ESC, even a newline, which makes two lines of the
file; only the first ``(`` and the last ``)`` bound it. Workers of the kernel have names of up to 63 bytes.
``utime`` includes guest time. ``itrealvalue`` has been 0 since 2.6.17. Without the right to ptrace the
task, addresses read 0, and ``startcode`` and ``endcode`` read 1. ``delayacct_blkio_ticks`` is 0 where the
kernel does not count delays. ``rss`` is inexact (on 6.18 up to a sixth off what statm says). A zombie's
memory is 0.

This file is read for every task of the host, so only what a first look at each needs is turned into
numbers; the other columns are checked, kept as they were printed, and converted when they are asked for.
"""

from typing import Optional, Tuple

from kdiag.procfs.text import Problem, decode, problem
from kdiag.records import NamedTuple

__all__ = ["PidStat", "parse_pid_stat"]

_WANTED = "pid (comm) state number..."
_WANTED_NEWLINE = "a newline at the end (file cut off)"
#: Fewer than any kernel since 2.6.0 prints; the state is the first of them.
_FEWEST_COLUMNS = 39
#: More than 52 numbers of 20 digits and the longest name need; int() itself refuses more than 4,300 digits.
_LONGEST_BYTES = 4096
_PF_KTHREAD = 0x00200000
#: A sign that does not stand between a blank and a digit.


class _Converted(NamedTuple):
    """The columns that are numbers from the start; all of them are ``None`` if the line is bad."""

    pid: Optional[int]
    comm: Optional[str]
    state: Optional[str]
    ppid: Optional[int]
    flags: Optional[int]
    utime_ticks: Optional[int]
    stime_ticks: Optional[int]
    num_threads: Optional[int]
    starttime_ticks: Optional[int]
    rss_pages: Optional[int]
    processor: Optional[int]
    columns: bytes
    problems: Tuple[Problem, ...] = ()


class _Column:
    """A column that is converted when it is asked for; ``None`` on kernels that do not print it yet."""

    __slots__ = ("_index",)

    def __init__(self, number: int) -> None:
        self._index = number - 3  # proc(5) counts from 1, and ``columns`` starts with the third, the state

    def __get__(self, stat: _Converted, owner: type) -> Optional[int]:
        columns = stat.columns.split()
        return int(columns[self._index]) if self._index < len(columns) else None


class PidStat(_Converted):
    """One task, by the names of proc(5). ``columns`` is the text after the name, state first.

    A good line has all of the fields up to ``processor``, a bad one has none of them: ``pid`` tells.
    An unknown state letter is kept as it is.
    """

    __slots__ = ()

    pgrp = _Column(5)
    session = _Column(6)
    tty_nr = _Column(7)
    tpgid = _Column(8)
    minflt = _Column(10)
    cminflt = _Column(11)
    majflt = _Column(12)
    cmajflt = _Column(13)
    cutime_ticks = _Column(16)
    cstime_ticks = _Column(17)
    priority = _Column(18)
    nice = _Column(19)
    itrealvalue = _Column(21)
    vsize_bytes = _Column(23)
    rsslim_bytes = _Column(25)
    startcode = _Column(26)
    endcode = _Column(27)
    startstack = _Column(28)
    kstkesp = _Column(29)
    kstkeip = _Column(30)
    signal = _Column(31)
    blocked = _Column(32)
    sigignore = _Column(33)
    sigcatch = _Column(34)
    wchan = _Column(35)
    nswap_pages = _Column(36)
    cnswap_pages = _Column(37)
    exit_signal = _Column(38)
    rt_priority = _Column(40)
    policy = _Column(41)
    delayacct_blkio_ticks = _Column(42)
    guest_time_ticks = _Column(43)
    cguest_time_ticks = _Column(44)
    start_data = _Column(45)
    end_data = _Column(46)
    start_brk = _Column(47)
    arg_start = _Column(48)
    arg_end = _Column(49)
    env_start = _Column(50)
    env_end = _Column(51)
    exit_code = _Column(52)

    @property
    def kernel_thread(self) -> Optional[bool]:
        """Whether the kernel itself made the task (``PF_KTHREAD``), which then has no memory of its own."""
        return None if self.flags is None else bool(self.flags & _PF_KTHREAD)


_NO_STAT = PidStat(None, None, None, None, None, None, None, None, None, None, None, b"")


def parse_pid_stat(data: bytes, path: str = "/proc/<pid>/stat") -> PidStat:
    r"""Parse one task's stat file.

    >>> stat = parse_pid_stat(
    ...     b"4798 (a) R 1 (b\nc) S 4757 4753 2574 0 -1 4194368 255 0 7 0 12 3 0 0 20 0 1 0 94973 17416192 "
    ...     b"2766 18446744073709551615 1 1 0 0 0 0 0 16781312 2 1 0 0 17 1 0 0 5 0 0 0 0 0 0 0 0 0 0\n")
    >>> stat.pid, stat.comm, stat.state, stat.ppid, stat.utime_ticks, stat.rss_pages, stat.processor
    (4798, 'a) R 1 (b\nc', 'S', 4757, 12, 2766, 1)
    >>> stat.majflt, stat.vsize_bytes, stat.delayacct_blkio_ticks, stat.kernel_thread
    (7, 17416192, 5, False)
    """
    opening, closing = data.find(b" ("), data.rfind(b")")
    text = data[closing + 1 :]
    columns = text.split()
    if (
        opening >= closing
        or len(columns) < _FEWEST_COLUMNS
        or len(data) > _LONGEST_BYTES
        or not data[:opening].isdigit()
        or not _is_state_and_numbers(text)
    ):
        wanted = _WANTED if not data or data.endswith(b"\n") else _WANTED_NEWLINE
        return _NO_STAT._replace(problems=(problem(path, 1, data, wanted),))
    return PidStat(
        int(data[:opening]),
        decode(data[opening + 2 : closing]),
        chr(text[1]),
        int(columns[1]),
        int(columns[6]),
        int(columns[11]),
        int(columns[12]),
        int(columns[17]),
        int(columns[19]),
        int(columns[21]),
        int(columns[36]),
        text,
    )


def _is_state_and_numbers(text: bytes) -> bool:
    r"""Tell whether ``text`` is a blank, one letter and decimal numbers, and ends its line.

    One regular expression for all of it would take four times as long. Of the sign it is enough to know
    that each has a blank before it and none after it: two in a row have no blank between them.

    >>> texts = (b" S 1 -1\n", b" S 1 -1", b" S 1-1\n", b" S -\n", b" S +1\n")
    >>> [_is_state_and_numbers(text) for text in texts]
    [True, False, False, False, False]
    """
    return (
        text[3:].translate(None, b"0123456789 -") == b"\n"
        and text.count(b"-") == text.count(b" -")
        and b"- " not in text
        and not text.endswith(b"-\n")
        and text[1:2].isalpha()
        and text[:1] == text[2:3] == b" "
    )
