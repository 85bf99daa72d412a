"""exitsnoop from ``/proc``, which any user may read: what was there at one look, and is not at the next.

What comes and goes between two looks is not seen. How a process ended is only seen while its parent has not
asked yet (a zombie): then its ``stat`` has the status, the last field, which the kernel shows as 0 to those
who may not trace the process (``do_task_stat()`` in ``fs/proc/array.c``).
"""

import time
from typing import Dict, Iterator, List, Optional, Set, Tuple

from kdiag.host.base import ReadError
from kdiag.kernel.machine import machine_of
from kdiag.procfs.pid_stat import PidStat, parse_pid_stat
from kdiag.procfs.pid_status import parse_pid_status
from kdiag.procfs.uptime import parse_uptime
from kdiag.records import NamedTuple
from kdiag.tools.exitsnoop.rows import Rows
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse, Item

__all__ = ["run"]

#: Between looks at least, and in times that a look takes: of all processes that is a twentieth of a CPU at
#: most, of a target, whose user wants to know, a third.
_ROUND_S, _TIMES_LOOK, _TIMES_LOOK_AT_TARGET = 0.05, 20, 2
_CAP_SYS_PTRACE = 1 << 19


#: A process: its id, which may be another's later, and its start in ticks since boot.
_Key = Tuple[int, int]


class _Look(NamedTuple):
    """All processes, and the time since boot in ns."""

    processes: Dict[_Key, PidStat]
    up_ns: int


def run(run: Run) -> Iterator[Item]:
    """Show ends until it ends."""
    if run.options["threads"]:
        raise CannotUse("ends of threads are too short to be seen in /proc", "another mechanism")
    if run.host.facts.clock_ticks_per_s is None:
        raise CannotUse("how long a tick of /proc is, is not known")
    ends = _Ends(run, run.host.facts.clock_ticks_per_s)
    try:
        ends.first()
    except ReadError as error:
        raise CannotUse(str(error)) from None
    run.plan.append("procfs: /proc/PID/stat of all processes is read up to 20 times a second")
    run.begin()
    if run.dry_run:
        return
    times = _TIMES_LOOK if run.target is None else _TIMES_LOOK_AT_TARGET
    last, longest_s = False, 0.0
    while not last:
        # Before it is asked whether the command ended: a zombie still tells how.
        began_s = time.monotonic()
        yield from ends.look()
        pause_s = max(_ROUND_S, times * (time.monotonic() - began_s))
        last = _wait(run, pause_s)
        longest_s = max(longest_s, time.monotonic() - began_s)
        if last:
            yield from ends.look()
    run.notes.append(
        f"what lived less than {longest_s * 1000:.0f} ms may be missing; ends are told up to that late"
    )
    if ends.unknown:
        run.notes.append(f"how {ends.unknown} of {ends.seen} ended is not known: their parents asked first")


def _wait(run: Run, pause_s: float) -> bool:
    """Wait for the next look; tells whether it is the last one."""
    end_s = time.monotonic() + pause_s
    while not run.ending():
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(_ROUND_S, left_s))
    return True


class _Ends:
    def __init__(self, run: Run, ticks_per_s: int) -> None:
        self._run = run
        self._host = run.host
        self._tick_ns = 10**9 // ticks_per_s
        self._rows = Rows(run.options, machine_of(run.host) or "")
        self._past = _Look({}, 0)
        #: Zombies that were told of.
        self._told: Set[_Key] = set()
        self._watched: Set[_Key] = set()
        self._reads_status = self._may_trace_all()
        self.seen = self.unknown = 0

    def first(self) -> None:
        """Look for the first time: what has ended already is not told."""
        self._past = self._look()
        if self._run.target is not None:
            self._watched = {key for key in self._past.processes if key[0] in self._run.target.pids}
        self._told = {key for key, stat in self._past.processes.items() if _is_dead(stat)}

    def look(self) -> Iterator[Item]:
        """Yield what ended since the last look, the oldest first."""
        now = self._look()
        gone = [key for key in self._past.processes if key not in now.processes and key not in self._told]
        dead = [key for key, stat in now.processes.items() if _is_dead(stat) and key not in self._told]
        for key in sorted((*gone, *dead), key=lambda each: each[1]):
            stat = now.processes.get(key) or self._past.processes[key]
            if self._run.target is None or key in self._watched:
                yield from self._row(key, stat, now)
        self._told = {key for key in (*self._told, *dead) if key in now.processes}
        self._past = now

    def _row(self, key: _Key, stat: PidStat, now: _Look) -> Iterator[Item]:
        status = self._status(stat)
        self.seen += 1
        self.unknown += status is None
        yield from self._rows.row(
            now.up_ns,
            key[0],
            None,
            stat.ppid,
            stat.comm or "?",
            max(0, now.up_ns - key[1] * self._tick_ns),
            status,
        )

    def _look(self) -> _Look:
        found: Dict[_Key, PidStat] = {}
        for pid in self._pids():
            try:
                stat = parse_pid_stat(self._host.read(f"/proc/{pid}/stat"))
            except ReadError:
                continue  # it is gone, which the next lines find
            if stat.starttime_ticks is None:
                continue
            found[pid, stat.starttime_ticks] = stat
        self._follow(found)
        up_s = parse_uptime(self._host.read("/proc/uptime")).up_s
        return _Look(found, round((up_s or 0.0) * 10**9))

    def _follow(self, found: Dict[_Key, PidStat]) -> None:
        """Watch what the watched ones made, too; a parent is older than its children."""
        alive: Set[Optional[int]] = set()
        for key in sorted(found, key=lambda each: (each[1], each[0])):
            if key in self._watched or found[key].ppid in alive:
                self._watched.add(key)
                alive.add(key[0])

    def _pids(self) -> List[int]:
        own = self._host.facts.reader_pid
        return [int(name) for name in self._host.list("/proc") if name.isdigit() and int(name) != own]

    def _status(self, stat: PidStat) -> Optional[int]:
        """Return how a process ended, as wait(2) has it; ``None`` where that is not to be seen."""
        if not _is_dead(stat):
            return None
        if stat.exit_code or self._reads_status or self._is_ours(stat.pid):
            return stat.exit_code
        return None

    def _is_ours(self, pid: Optional[int]) -> bool:
        """Tell whether a process belongs to whoever runs kdiag, who may see all of it then."""
        try:
            uid = parse_pid_status(self._host.read(f"/proc/{pid}/status")).uid
        except ReadError:
            return False
        return uid is not None and set(uid[:3]) == {self._host.facts.reader_euid}

    def _may_trace_all(self) -> bool:
        try:
            cap_eff = parse_pid_status(self._host.read("/proc/self/status")).cap_eff
        except ReadError:
            return False
        return bool((cap_eff or 0) & _CAP_SYS_PTRACE)


def _is_dead(stat: PidStat) -> bool:
    """Tell whether a process is a zombie; its first thread may be one while others live."""
    return stat.state in ("Z", "X") and (stat.num_threads or 0) <= 1
