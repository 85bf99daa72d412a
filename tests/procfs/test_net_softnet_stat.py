import pytest

from kdiag.procfs.net_softnet_stat import SoftnetCpu, parse_net_softnet_stat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

FAST_ROUTE = b" 00000000" * 5
# One line of each generation of softnet_seq_show(), as read in the sources of these kernels.
COLUMNS_2_6_32 = b"0000000a 0000000b 0000000c" + FAST_ROUTE + b" 0000000d\n"
COLUMNS_3_10 = COLUMNS_2_6_32[:-1] + b" 0000000e\n"
COLUMNS_4_0 = COLUMNS_3_10[:-1] + b" 0000000f\n"
COLUMNS_5_10 = COLUMNS_4_0[:-1] + b" 00000010 00000003\n"
COLUMNS_6_18 = COLUMNS_5_10[:-1] + b" 00000004 0000000c\n"


@pytest.mark.parametrize(
    ("line", "cpu"),
    [
        (COLUMNS_2_6_32, SoftnetCpu(None, 10, 11, 12, 13, None, None, None, None, None, ())),
        (COLUMNS_3_10, SoftnetCpu(None, 10, 11, 12, 13, 14, None, None, None, None, ())),
        (COLUMNS_4_0, SoftnetCpu(None, 10, 11, 12, 13, 14, 15, None, None, None, ())),
        (COLUMNS_5_10, SoftnetCpu(3, 10, 11, 12, 13, 14, 15, 16, None, None, ())),
        (COLUMNS_6_18, SoftnetCpu(3, 10, 11, 12, 13, 14, 15, 16, 4, 12, ())),
    ],
)
def test_every_generation_of_columns_is_read(line: bytes, cpu: SoftnetCpu) -> None:
    parsed = parse_net_softnet_stat(line)
    assert (parsed.cpus, parsed.problems) == ((cpu,), ())


def test_the_cpu_is_none_where_no_column_names_it_even_on_the_second_line() -> None:
    assert [cpu.cpu for cpu in parse_net_softnet_stat(COLUMNS_4_0 * 2).cpus] == [None, None]


def test_columns_of_a_later_kernel_survive() -> None:
    cpu = parse_net_softnet_stat(COLUMNS_6_18[:-1] + b" 000000ff 00000001\n").cpus[0]
    assert (cpu.process_queue_packets, cpu.extra) == (12, (255, 1))


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_counters_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    cpu = parse_net_softnet_stat(b"%x " % value * 15 + b"\n").cpus[0]
    assert (cpu.processed, cpu.dropped, cpu.cpu) == (value, value, value)


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_net_softnet_stat(b"1 2 3 4 5 6 7 8\n" + COLUMNS_4_0 + b"1 2 3 4 5 6 7 8 0x9\n")
    assert [cpu.processed for cpu in parsed.cpus] == [10]
    wanted = "9 or more hexadecimal numbers"
    assert parsed.problems == (
        Problem("/proc/net/softnet_stat", 1, "1 2 3 4 5 6 7 8", wanted),
        Problem("/proc/net/softnet_stat", 3, "1 2 3 4 5 6 7 8 0x9", wanted),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_net_softnet_stat, COLUMNS_2_6_32 + COLUMNS_6_18)
    holds_for_any_bytes(parse_net_softnet_stat, COLUMNS_2_6_32 + COLUMNS_6_18)
