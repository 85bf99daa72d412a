import pytest

from kdiag.procfs.net_snmp import parse_net_snmp
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

SNMP_6_18 = b"""\
IcmpMsg: InType3
IcmpMsg: 1
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens InSegs OutSegs RetransSegs
Tcp: 1 200 120000 -1 16 1898 1184 3
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
Udp: 29 0 0 30 0
"""
# No kernel promises an order or a number of columns.
SNMP_OTHER_ORDER = b"Udp: NoPorts InDatagrams\nUdp: 4 29\n"
NETSTAT_6_18 = (
    b"TcpExt: ListenOverflows ListenDrops TCPReqQFullDrop\nTcpExt: 3 3 0\nIpExt: InOctets\nIpExt: 7\n"
)


def test_each_value_goes_by_its_name() -> None:
    parsed = parse_net_snmp(SNMP_6_18)
    assert parsed.problems == ()
    assert list(parsed.tables) == ["IcmpMsg", "Tcp", "Udp"]
    assert parsed.tables["Tcp"] == {
        "RtoAlgorithm": 1,
        "RtoMin": 200,
        "RtoMax": 120000,
        "MaxConn": -1,
        "ActiveOpens": 16,
        "InSegs": 1898,
        "OutSegs": 1184,
        "RetransSegs": 3,
    }


def test_the_order_and_number_of_columns_do_not_matter() -> None:
    other, real = parse_net_snmp(SNMP_OTHER_ORDER), parse_net_snmp(SNMP_6_18)
    assert other.value("Udp", "InDatagrams") == real.value("Udp", "InDatagrams") == 29
    assert other.value("Udp", "RcvbufErrors") is None
    assert other.value("Tcp", "OutSegs") is None


def test_netstat_has_the_same_form() -> None:
    parsed = parse_net_snmp(NETSTAT_6_18, "/proc/net/netstat")
    assert (parsed.value("TcpExt", "ListenOverflows"), parsed.value("IpExt", "InOctets")) == (3, 7)


def test_a_second_pair_of_lines_of_one_protocol_adds_to_the_first() -> None:
    parsed = parse_net_snmp(b"IcmpMsg: InType0\nIcmpMsg: 1\nIcmpMsg: OutType8\nIcmpMsg: 2\n")
    assert parsed.tables == {"IcmpMsg": {"InType0": 1, "OutType8": 2}}


def test_a_protocol_of_a_later_kernel_survives() -> None:
    assert parse_net_snmp(b"QuicExt: Opens\nQuicExt: 5\n").value("QuicExt", "Opens") == 5


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64, -(2**63)])
def test_counters_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    assert parse_net_snmp(b"Ip: InReceives\nIp: %d\n" % value).value("Ip", "InReceives") == value


def test_a_bad_pair_is_named_and_the_others_survive() -> None:
    parsed = parse_net_snmp(b"Ip: A B\nIp: 1\nTcp: C\nTcp: x\nUdp: D\nUdp: 4\n")
    assert parsed.tables == {"Udp": {"D": 4}}
    assert parsed.problems == (
        Problem("/proc/net/snmp", 2, "Ip: 1", "2 whole numbers, one for each name in line 1"),
        Problem("/proc/net/snmp", 4, "Tcp: x", "1 whole numbers, one for each name in line 3"),
    )


def test_names_without_their_values_are_named_and_the_next_pair_survives() -> None:
    parsed = parse_net_snmp(b"Ip: A\nTcp: C\nTcp: 3\nno colon\nUdp: D\n", "/proc/net/netstat")
    assert parsed.tables == {"Tcp": {"C": 3}}
    assert parsed.problems == (
        Problem("/proc/net/netstat", 1, "Ip: A", "a line of values after this line of names"),
        Problem("/proc/net/netstat", 4, "no colon", "PROTOCOL: and names or values"),
        Problem("/proc/net/netstat", 5, "Udp: D", "a line of values after this line of names"),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_net_snmp, SNMP_6_18)
    holds_for_any_bytes(parse_net_snmp, SNMP_6_18)
