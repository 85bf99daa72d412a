import time

import pytest

from kdiag.procfs.stat import CpuTimes, SoftirqTotals, parse_stat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# 6.18, two CPUs; the intr line has some 1000 numbers there.
STAT_6_18 = b"""\
cpu  1799 0 1116 112644 76 0 14 7 0 0
cpu0 330 0 419 57046 2 0 4 1 0 0
cpu1 1469 0 697 55598 73 0 9 5 0 0
intr 83288 0 0 0 1 1 12 0 115 32
ctxt 178635
btime 1795193367
processes 3544
procs_running 1
procs_blocked 0
softirq 51422 0 9351 3 2185 7752 0 2 17606 0 14523
"""


def test_every_line_is_read() -> None:
    parsed = parse_stat(STAT_6_18)
    assert parsed.cpu == CpuTimes(1799, 0, 1116, 112644, 76, 0, 14, 7, 0, 0)
    assert parsed.cpus == {
        0: CpuTimes(330, 0, 419, 57046, 2, 0, 4, 1, 0, 0),
        1: CpuTimes(1469, 0, 697, 55598, 73, 0, 9, 5, 0, 0),
    }
    assert parsed.intr_total == 83288
    assert parsed.ctxt == 178635
    assert parsed.btime_s == 1795193367
    assert parsed.processes == 3544
    assert parsed.procs_running == 1
    assert parsed.procs_blocked == 0
    assert parsed.softirq == SoftirqTotals(51422, 0, 9351, 3, 2185, 7752, 0, 2, 17606, 0, 14523)
    assert parsed.extra == {}
    assert parsed.problems == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"cpu  1 2 3 4", CpuTimes(1, 2, 3, 4)),  # 2.4
        (b"cpu  1 2 3 4 5", CpuTimes(1, 2, 3, 4, 5)),  # iowait: 2.5.41
        (b"cpu  1 2 3 4 5 6 7", CpuTimes(1, 2, 3, 4, 5, 6, 7)),  # irq, softirq: 2.6.0
        (b"cpu  1 2 3 4 5 6 7 8", CpuTimes(1, 2, 3, 4, 5, 6, 7, 8)),  # steal: 2.6.11
        (b"cpu  1 2 3 4 5 6 7 8 9", CpuTimes(1, 2, 3, 4, 5, 6, 7, 8, 9)),  # guest: 2.6.24
        (b"cpu  1 2 3 4 5 6 7 8 9 10", CpuTimes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),  # guest_nice: 2.6.33
        (b"cpu  1 2 3 4 5 6 7 8 9 10 11 12", CpuTimes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, (11, 12))),
    ],
)
def test_a_column_that_the_kernel_lacks_is_none_and_a_new_one_is_kept(
    line: bytes, expected: CpuTimes
) -> None:
    parsed = parse_stat(line + b"\n")
    assert parsed.cpu == expected
    assert parsed.problems == ()


def test_the_total_counts_no_guest_time_twice() -> None:
    assert CpuTimes(1000, 200, 30, 4, 5, 6, 7, 8, 900, 100, (50,)).total_ticks == 1260
    assert CpuTimes(1000, 200, 30, 4).total_ticks == 1234
    assert CpuTimes(1000, 200, 30, 4, 5).total_ticks == 1239


def test_cpus_are_known_by_their_number_when_some_are_offline() -> None:
    parsed = parse_stat(b"cpu  4 0 0 4\ncpu0 1 0 0 1\ncpu2 2 0 0 2\ncpu7 1 0 0 1\n")
    assert {cpu: times.user_ticks for cpu, times in parsed.cpus.items()} == {0: 1, 2: 2, 7: 1}


def test_what_the_file_does_not_hold_is_none() -> None:
    parsed = parse_stat(b"ctxt 5\n")
    assert parsed.ctxt == 5
    assert (parsed.cpu, parsed.intr_total, parsed.btime_s, parsed.softirq) == (None, None, None, None)
    assert (parsed.processes, parsed.procs_running, parsed.procs_blocked) == (None, None, None)
    assert parsed.problems == ()


def test_softirqs_of_fewer_kinds_than_ten_stay_without_names() -> None:
    parsed = parse_stat(b"softirq 45 1 2 3 4 5 6 7 8 9\n")
    assert parsed.softirq == SoftirqTotals(45, extra=(1, 2, 3, 4, 5, 6, 7, 8, 9))
    assert parsed.softirq.net_rx is None


def test_an_eleventh_kind_of_softirq_is_kept() -> None:
    parsed = parse_stat(b"softirq 66 1 2 3 4 5 6 7 8 9 10 11\n")
    assert parsed.softirq is not None
    assert (parsed.softirq.rcu, parsed.softirq.extra) == (10, (11,))


def test_an_unknown_keyword_is_kept() -> None:
    parsed = parse_stat(b"page 5741 1808\ncpufreq 3\nctxt 1\n")  # page: 2.4
    assert parsed.extra == {"page": "5741 1808"}
    assert parsed.ctxt == 1


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"cpu  1 2 3", "cpu[N] followed by 4 or more numbers"),
        (b"cpu0 1 2 3 -4", "cpu[N] followed by 4 or more numbers"),
        (b"cpu0 1 2 3 1_0", "cpu[N] followed by 4 or more numbers"),
        (b"cpux 1 2 3 4", "cpu[N] followed by 4 or more numbers"),
        (b"intr many 1 2", "intr N ..."),
        (b"btime +5", "btime N"),
        (b"ctxt", "ctxt N"),
        (b"softirq 5 x", "softirq followed by numbers"),
        (b"softirq", "softirq followed by numbers"),
        (b"", "a keyword and its numbers"),
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes, wanted: str) -> None:
    parsed = parse_stat(b"procs_running 2\n" + line + b"\nprocs_blocked 1\n", "/r/proc/stat")
    assert parsed.problems == (Problem("/r/proc/stat", 2, line.decode(), wanted),)
    assert (parsed.procs_running, parsed.procs_blocked) == (2, 1)
    assert (parsed.cpu, parsed.cpus, parsed.intr_total, parsed.btime_s, parsed.softirq) == (
        None,
        {},
        None,
        None,
        None,
    )


def test_an_absurdly_long_number_is_a_bad_line_and_no_exception() -> None:
    parsed = parse_stat(b"cpu  1 2 3 " + b"9" * 5000 + b"\nctxt 7\n")
    assert (parsed.cpu, parsed.ctxt, len(parsed.problems)) == (None, 7, 1)


@pytest.mark.parametrize("count", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_counters_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    parsed = parse_stat(b"cpu0 0 0 0 %d\nintr %d 0\nctxt %d\nsoftirq %d\n" % (count, count, count, count))
    assert parsed.cpus[0].idle_ticks == count
    assert parsed.cpus[0].total_ticks == count
    assert parsed.intr_total == count
    assert parsed.ctxt == count
    assert parsed.softirq == SoftirqTotals(count)


def test_4096_cpus_and_as_many_interrupts_are_read_right_and_fast() -> None:
    lines = [b"cpu  4096 0 0 0 0 0 0 0 0 0"]
    lines += [b"cpu%d %d 0 12345678 9876543210 123456 0 12345 0 0 0" % (cpu, 3 * cpu) for cpu in range(4096)]
    lines += [b"intr 99" + b" 0" * 100_000, b"ctxt 7"]
    data = b"\n".join(lines) + b"\n"
    started = time.process_time()
    parsed = parse_stat(data)
    took_s = time.process_time() - started
    assert len(parsed.cpus) == 4096
    assert parsed.cpus[4095] == CpuTimes(12285, 0, 12345678, 9876543210, 123456, 0, 12345, 0, 0, 0)
    assert (parsed.intr_total, parsed.ctxt, parsed.problems) == (99, 7, ())
    assert took_s < 0.2  # 0.008 s where it was written


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_stat, STAT_6_18)
    holds_for_any_bytes(parse_stat, STAT_6_18)
