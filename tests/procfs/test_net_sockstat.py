import pytest

from kdiag.procfs.net_sockstat import NetSockstat, parse_net_sockstat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

SOCKSTAT_6_18 = b"""\
sockets: used 7
TCP: inuse 5 orphan 1 tw 2 alloc 6 mem 67
UDP: inuse 3 mem 4
UDPLITE: inuse 8
RAW: inuse 9
FRAG: inuse 10 memory 11
"""
SOCKSTAT6_6_18 = b"TCP6: inuse 1\nUDP6: inuse 2\nFRAG6: inuse 0 memory 3\n"
# Early 2.6 counts no memory of UDP and has no UDPLITE.
SOCKSTAT_EARLY_2_6 = b"""\
sockets: used 7
TCP: inuse 5 orphan 1 tw 2 alloc 6 mem 67
UDP: inuse 3
RAW: inuse 9
FRAG: inuse 10 memory 11
"""


def test_every_number_has_a_field_with_its_unit() -> None:
    assert parse_net_sockstat(SOCKSTAT_6_18) == NetSockstat(
        sockets_used=7,
        tcp_inuse=5,
        tcp_orphans=1,
        tcp_time_wait=2,
        tcp_alloc=6,
        tcp_mem_pages=67,
        udp_inuse=3,
        udp_mem_pages=4,
        udplite_inuse=8,
        raw_inuse=9,
        frag_inuse=10,
        frag_memory_bytes=11,
        extra={},
    )


def test_what_an_old_kernel_does_not_print_is_none() -> None:
    parsed = parse_net_sockstat(SOCKSTAT_EARLY_2_6)
    assert (parsed.udp_inuse, parsed.udp_mem_pages, parsed.udplite_inuse, parsed.raw_inuse) == (
        3,
        None,
        None,
        9,
    )


def test_sockstat6_and_the_names_of_a_later_kernel_survive() -> None:
    parsed = parse_net_sockstat(SOCKSTAT6_6_18 + b"TCP: inuse 5 fast 6\nX: y 7\n", "/proc/net/sockstat6")
    assert parsed.tcp_inuse == 5
    assert parsed.extra == {
        ("TCP6", "inuse"): 1,
        ("UDP6", "inuse"): 2,
        ("FRAG6", "inuse"): 0,
        ("FRAG6", "memory"): 3,
        ("TCP", "fast"): 6,
        ("X", "y"): 7,
    }


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64, -1])
def test_counts_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    assert parse_net_sockstat(b"TCP: mem %d\n" % value).tcp_mem_pages == value


@pytest.mark.parametrize("line", [b"TCP inuse 5", b"TCP: inuse", b"TCP: inuse x", b"TCP:", b": inuse 5", b""])
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_net_sockstat(b"sockets: used 7\n" + line + b"\nRAW: inuse 9\n")
    assert (parsed.sockets_used, parsed.tcp_inuse, parsed.raw_inuse) == (7, None, 9)
    assert parsed.problems == (
        Problem("/proc/net/sockstat", 2, line.decode(), "PROTOCOL: and pairs of a name and a whole number"),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_net_sockstat, SOCKSTAT_6_18)
    holds_for_any_bytes(parse_net_sockstat, SOCKSTAT_6_18)
