"""What tracing everything would cost, from rates of hosts in memory."""

import errno
from typing import Any, Dict, List

import pytest

from kdiag.host.memory import Content, MemoryHost
from kdiag.tools import cost
from kdiag.tools.cost import Cost, Rate, cost_of, rate_of
from kdiag.tools.family import TOOLS, tool_named

STAT = b"cpu  1 2 3 4\nctxt %d\nprocesses %d\n"
DISKS = b" 254 0 vda %d 0 0 0 %d 0 0 0 0 0 0\n 254 1 vda1 900 0 0 0 900 0 0 0 0 0 0\n"

SYSCOUNT, RUNQLAT, SYSCALLS = (tool_named(name) for name in ("syscount", "runqlat", "syscalls"))


def host(before: Dict[str, Content], after: Dict[str, Content]) -> MemoryHost:
    online: Dict[str, Content] = {"/sys/devices/system/cpu/online": b"0-3\n", "/sys/block/vda/dev": b"254:0"}
    return MemoryHost([{**online, **before}, {**online, **after}])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """Half a second from each look at the clock to the next."""
    now = [0.0]

    def monotonic() -> float:
        now[0] += 0.5
        return now[0]

    monkeypatch.setattr("kdiag.tools.cost.time.monotonic", monotonic)
    return now


def rate(on: MemoryHost, what: str) -> Rate:
    return rate_of(on, what, lambda seconds: on.advance(seconds))


def test_rates_are_read_twice(clock: List[float]) -> None:
    on = host({"/proc/stat": STAT % (1000, 50)}, {"/proc/stat": STAT % (1500, 60)})
    assert rate(on, "switches") == Rate("switches", 1000.0, 4)
    on = host({"/proc/stat": STAT % (1000, 50)}, {"/proc/stat": STAT % (1500, 60)})
    assert rate(on, "forks") == Rate("forks", 20.0, 4)


def test_requests_of_partitions_are_counted_once(clock: List[float]) -> None:
    on = host({"/proc/diskstats": DISKS % (10, 5)}, {"/proc/diskstats": DISKS % (20, 15)})
    assert rate(on, "block") == Rate("requests to disks", 40.0, 4)


@pytest.mark.parametrize("after", [errno.EACCES, STAT % (900, 40), b""])
def test_what_cannot_be_told_is_not_zero(after: Content, clock: List[float]) -> None:
    on = host({"/proc/stat": STAT % (1000, 50)}, {"/proc/stat": after})
    assert rate(on, "switches").per_s is None


def test_a_recording_has_no_system_calls_to_count() -> None:
    told = rate(host({}, {}), "syscalls")
    assert told == Rate("system calls", None, 4)
    assert "unknown" in str(cost_of(told, SYSCOUNT, "bpf", {}))


def test_a_share_is_of_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_NS", {("syscount", "bpf"): 200})
    told = cost_of(Rate("system calls", 1e6, 4), SYSCOUNT, "bpf", {})
    assert told == Cost("system calls", 1e6, 0.05)
    assert not told.too_much
    more = cost_of(Rate("system calls", 1.1e6, 4), SYSCOUNT, "bpf", {})
    assert more is not None and more.too_much
    assert str(told) == "about 5 % of the CPUs at 1M system calls a second"


def test_what_is_not_in_the_table_is_unknown_and_reading_proc_has_no_probes() -> None:
    told = Rate("switches", 1000.0, 2)
    unknown = Cost("switches", 1000.0, None)
    assert cost_of(told, RUNQLAT, "magic", {}) == unknown
    assert not unknown.too_much
    assert cost_of(told, RUNQLAT, "procfs", {}) is None
    assert cost_of(Rate("switches", 1000.0, None), RUNQLAT, "bpf", {}) == unknown


def test_what_lines_cost_is_only_known_where_all_are_shown() -> None:
    told = Rate("system calls", 1e5, 2)
    usual: Dict[str, Any] = {
        each.name: False if each.kind == "flag" else () if each.kind == "texts" else each.default
        for each in SYSCALLS.options
    }
    everything = cost_of(told, SYSCALLS, "bpf", usual)
    assert everything is not None and everything.too_much
    for chosen in ({"names": ("openat",)}, {"failed": True}):
        some = cost_of(told, SYSCALLS, "bpf", {**usual, **chosen})
        assert str(some) == "unknown at 100k system calls a second"
        assert some is not None and not some.too_much


def test_the_table_names_what_there_is() -> None:
    known = {(name, each.name) for name in TOOLS for each in tool_named(name).mechanisms}
    assert set(cost._NS) <= known
