import pytest

from kdiag.procfs.schedstat import CpuSchedStat, parse_schedstat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# As show_schedstat of kernel/sched/stats.c prints it; the domain lines are cut short.
SCHEDSTAT_15 = b"""\
version 15
timestamp 4295567890
cpu0 4 0 9120 3018 4410 1200 72184091633 1893021877 6049
domain0 03 0 0 0 0 0 0
cpu1 0 0 8001 2950 4100 1101 69120017744 1720934411 5012
domain0 03 0 0 0 0 0 0
"""
# From 17 on a domain line has a name before its mask.
SCHEDSTAT_17 = SCHEDSTAT_15.replace(b"version 15", b"version 17").replace(b"domain0 03", b"domain0 MC 03")
# 14 (2.6.20) has three counters of sched_yield more.
SCHEDSTAT_14 = b"version 14\ntimestamp 7\ncpu0 0 0 0 4 0 9120 3018 4410 1200 72184 1893 6049\n"
WANTED = "cpuN and 9 numbers (version 15 or later)"


@pytest.mark.parametrize(("data", "version"), [(SCHEDSTAT_15, 15), (SCHEDSTAT_17, 17)])
def test_the_cpu_lines_of_each_version_are_read(data: bytes, version: int) -> None:
    parsed = parse_schedstat(data)
    assert (parsed.version, parsed.timestamp_jiffies) == (version, 4295567890)
    assert parsed.cpus == {
        0: CpuSchedStat(4, 9120, 3018, 4410, 1200, 72184091633, 1893021877, 6049),
        1: CpuSchedStat(0, 8001, 2950, 4100, 1101, 69120017744, 1720934411, 5012),
    }
    assert (parsed.extra, parsed.problems) == ({}, ())


def test_lines_of_version_14_are_refused_rather_than_misread() -> None:
    parsed = parse_schedstat(SCHEDSTAT_14)
    assert (parsed.version, parsed.cpus) == (14, {})
    line = "cpu0 0 0 0 4 0 9120 3018 4410 1200 72184 1893 6049"
    assert parsed.problems == (Problem("/proc/schedstat", 3, line, WANTED),)


def test_a_tenth_number_and_an_unknown_line_survive() -> None:
    parsed = parse_schedstat(b"version 18\ncpu3 1 0 2 3 4 5 6 7 8 99\nnew 1 2\n")
    assert parsed.cpus == {3: CpuSchedStat(1, 2, 3, 4, 5, 6, 7, 8, (99,))}
    assert (parsed.extra, parsed.problems) == ({"new": "1 2"}, ())


def test_a_file_without_a_version_has_none() -> None:
    parsed = parse_schedstat(b"cpu0 1 0 2 3 4 5 6 7 8\n")
    assert (parsed.version, parsed.timestamp_jiffies) == (None, None)
    assert parsed.cpus[0].run_ns == 6


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"cpu1 1 2 3", WANTED),
        (b"cpu1 1 2 3 4 5 6 7 8 -9", WANTED),
        (b"version x", "version N"),
        (b"timestamp", "timestamp N"),
        (b"", "a keyword and its numbers"),
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes, wanted: str) -> None:
    parsed = parse_schedstat(line + b"\ncpu0 1 0 2 3 4 5 6 7 8\n", "/r/proc/schedstat")
    assert parsed.problems == (Problem("/r/proc/schedstat", 1, line.decode(), wanted),)
    assert list(parsed.cpus) == [0]


@pytest.mark.parametrize("count", [2**32, 2**64 - 1, 2**64])
def test_times_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    cpu = parse_schedstat(b"cpu0 1 0 2 3 4 5 %d %d 8\n" % (count, count)).cpus[0]
    assert (cpu.run_ns, cpu.wait_ns) == (count, count)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_schedstat, SCHEDSTAT_17)
    holds_for_any_bytes(parse_schedstat, SCHEDSTAT_17)
