"""Loads of a known number between the two readings of one snapshot, against the rates that kdiag gives.

All counters here are of the whole machine, so others add to them. Therefore each is held between two bounds:
no less than what the load did, and no more than what the kernel's own counter grew by from before kdiag's
first reading to after its second. What a rate is multiplied with for that, ``Look.assert_within`` says.
"""

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Tuple

import pytest

from tests.live import loads
from tests.live.capabilities import why_not
from tests.live.groups import memory_hierarchy, new_group
from tests.live.looking import Look, Slept, looking
from tests.live.scratch import Scratch, scratch

TRIES = 4
DIRECT_BYTES = 64 << 10


class Load(NamedTuple):
    """What to do between the readings, what it takes, and the kernel's counter of it."""

    run: Callable[[], Any]
    needs: Tuple[str, ...]
    counter: Callable[[], int]


def _word(path: str, key: str, column: int = 1) -> int:
    """Return a number from the line of a kernel file that begins with a word."""
    for line in Path(path).read_text().splitlines():
        words = line.split()
        if words[:1] == [key]:
            return int(words[column])
    raise AssertionError(f"{path} has no {key}")


def _mib(path: str, protocol: str, name: str) -> int:
    """Return a counter of /proc/net/snmp or netstat: a line of names, a line of numbers."""
    names, numbers = (line for line in Path(path).read_text().splitlines() if line.startswith(f"{protocol}:"))
    return int(dict(zip(names.split()[1:], numbers.split()[1:]))[name])


def _disk(column: int) -> int:
    for line in Path("/proc/diskstats").read_text().splitlines():
        words = line.split()
        if words[2] == _scratch().disk:
            return int(words[column])
    raise AssertionError(f"no disk {_scratch().disk}")


def _loopback(column: int) -> int:
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if "lo:" in line)
    return int(line.partition(":")[2].split()[column])


def _scratch() -> Scratch:
    found = scratch()
    assert isinstance(found, Scratch)
    return found


def _write() -> int:
    with tempfile.NamedTemporaryFile(dir=_scratch().folder) as target:
        os.posix_fallocate(target.fileno(), 0, 64 * DIRECT_BYTES)
        os.fsync(target.fileno())
        return loads.write_around_the_cache(target.name, 64, DIRECT_BYTES)


def _kill_for_memory() -> int:
    """Have the OOM killer take processes that want more than their group may have."""
    hierarchy = memory_hierarchy()
    assert hierarchy is not None
    killed = 2
    with new_group(hierarchy, "oom") as group:
        group.limit_memory(16 << 20)
        for _ in range(killed):
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    group.enter()
                    held = bytearray(64 << 20)
                    held[:: loads.PAGE] = b"x" * len(held[:: loads.PAGE])
                os._exit(0)
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status), f"not killed, but ended with {status}"
        assert group.oom_kills() == killed
    return killed


def _major() -> int:
    return loads.major_faults(_scratch().folder, 64)


_VMSTAT = "/proc/vmstat"
LOADS: Dict[str, Load] = {
    "overflows": Load(
        lambda: loads.listen_overflows(12),
        (),
        lambda: _mib("/proc/net/netstat", "TcpExt", "ListenOverflows"),
    ),
    "datagrams": Load(
        lambda: loads.lost_datagrams(100), (), lambda: _mib("/proc/net/snmp", "Udp", "RcvbufErrors")
    ),
    "forks": Load(lambda: loads.forks(100), (), lambda: _word("/proc/stat", "processes")),
    "switches": Load(lambda: loads.switches(1000), (), lambda: _word("/proc/stat", "ctxt")),
    "faults": Load(lambda: loads.minor_faults(4000), (), lambda: _word(_VMSTAT, "pgfault")),
    "major": Load(_major, ("disk",), lambda: _word(_VMSTAT, "pgmajfault")),
    "oom": Load(_kill_for_memory, ("root", "memory cgroup"), lambda: _word(_VMSTAT, "oom_kill")),
    "bytes": Load(_write, ("disk",), lambda: _disk(9) * 512),
}


class Counted(NamedTuple):
    """A snapshot, what was done meanwhile, and how far the kernel's counters went."""

    look: Look
    done: Dict[str, Any]
    grown: Dict[str, int]
    writes_grown: int
    packets_grown: int

    def hold(self, name: str, per_s: float) -> None:
        """Hold a rate between what was done and what the kernel's counter grew by."""
        if name not in self.done:
            pytest.skip(next(why for need in LOADS[name].needs for why in (why_not(need),) if why))
        assert self.done[name] > 0
        self.look.assert_within(per_s, self.done[name], self.grown[name])


@pytest.fixture(scope="module")
def counted() -> Counted:
    """Make every load that can be had here between two readings."""
    chosen = {name: load for name, load in LOADS.items() if not any(map(why_not, load.needs))}
    started_s = time.monotonic()
    for load in chosen.values():  # once before: code that runs first is slow, and the time it takes is learnt
        load.run()
    interval_s = 1.0 + 1.5 * (time.monotonic() - started_s)
    for _ in range(TRIES):
        with contextlib.suppress(Slept):
            return _counted(chosen, interval_s)
        interval_s *= 2
    raise AssertionError(f"the loads take longer than {interval_s / 2} s")


def _counted(chosen: Dict[str, Load], interval_s: float) -> Counted:
    before = {name: load.counter() for name, load in chosen.items()}
    writes, packets = _writes(), _loopback(1)
    with looking(interval_s) as running:
        done = {name: load.run() for name, load in chosen.items()}
        running.still()
        seen = running.result()
    grown = {name: load.counter() - before[name] for name, load in chosen.items()}
    return Counted(seen, done, grown, _writes() - writes, _loopback(1) - packets)


def _writes() -> int:
    return _disk(7) if not why_not("disk") else 0


def _reclaim_per_s(counted: Counted, counter: str) -> float:
    return float(counted.look.row("reclaim", "Swapping, faults and reclaim", counter=counter)["count_per_s"])


def _tcp_per_s(counted: Counted, counter: str) -> float:
    rows = counted.look.rows("tcp", "TCP and UDP")
    return float(next(row["rate_per_s"] for row in rows if row["counter"] == counter))


def test_forks_are_counted(counted: Counted) -> None:
    row = counted.look.row("cpu", "CPU activity")
    counted.hold("forks", row["forks_per_s"])


def test_context_switches_are_counted(counted: Counted) -> None:
    row = counted.look.row("cpu", "CPU activity")
    counted.hold("switches", row["context_switches_per_s"])


def test_page_faults_are_counted(counted: Counted) -> None:
    counted.hold("faults", _reclaim_per_s(counted, "pgfault"))


def test_major_page_faults_are_counted(counted: Counted) -> None:
    counted.hold("major", _reclaim_per_s(counted, "pgmajfault"))


def test_oom_kills_in_a_control_group_are_counted_and_critical(counted: Counted) -> None:
    counted.hold("oom", _reclaim_per_s(counted, "oom_kill"))
    found = counted.look.finding("mem.oom_kill")
    assert found["status"] == "critical"
    assert found["value"] >= counted.done["oom"]


def test_bytes_written_around_the_cache_are_counted(counted: Counted) -> None:
    if "bytes" not in counted.done:
        pytest.skip(why_not("disk"))
    row = counted.look.row("disks", "Disks", disk=_scratch().disk)
    counted.hold("bytes", row["written_kib_per_s"] * 1024)
    assert row["write_await_ms"] > 0


def test_write_requests_are_counted(counted: Counted) -> None:
    """Each write is a request of its own: O_DIRECT writes are not merged, as each waits for its end."""
    if "bytes" not in counted.done:
        pytest.skip(why_not("disk"))
    row = counted.look.row("disks", "Disks", disk=_scratch().disk)
    least = counted.done["bytes"] // DIRECT_BYTES
    counted.look.assert_within(row["writes_per_s"], least, counted.writes_grown)


def test_connections_that_a_full_accept_queue_turned_away_are_counted_and_warned_of(counted: Counted) -> None:
    counted.hold("overflows", _tcp_per_s(counted, "TcpExt ListenOverflows"))
    found = counted.look.finding("net.listen")
    assert found["status"] in ("warning", "critical")
    told = re.match(r"(\d+) overflows", found["summary"])
    assert told is not None
    assert counted.done["overflows"] <= int(told.group(1)) <= counted.grown["overflows"]


def test_datagrams_that_found_no_room_are_counted(counted: Counted) -> None:
    counted.hold("datagrams", _tcp_per_s(counted, "Udp RcvbufErrors"))


def test_packets_of_the_loopback_are_counted(counted: Counted) -> None:
    """Of the datagrams alone there are 100, received or not: the interface took them all."""
    row = counted.look.row("network", "Network interfaces", interface="lo")
    counted.look.assert_within(row["received_packets_per_s"], 100, counted.packets_grown)
