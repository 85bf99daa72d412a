from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.network import TABLES, CounterRow, InterfaceRow
from tests.health.windows import window_of

INTERFACES, TCP = TABLES
HEADERS = b"Inter-|   Receive                    |  Transmit\n face |bytes    packets |bytes\n"
EMPTY = b" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"


def test_the_busiest_interface_of_the_quiet_host_comes_first() -> None:
    table = fill(INTERFACES, window_of(interval_s=2.0))
    assert table.rows == [
        InterfaceRow("eth0", 15.0, 12.5, 30000 / 2048, 10000 / 2048, 0, 0, 0, 0),
        InterfaceRow("lo", 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0),
    ]
    assert (table.basis, table.notes) == ("rate over 2.0 s", ())


def test_errors_and_drops_are_counts_of_the_window() -> None:
    first = HEADERS + b"eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0\n"
    last = HEADERS + b"eth0: 100 10 6 8 0 0 0 0 200 20 10 12 0 0 0 0\n"
    (row,) = fill(INTERFACES, window_of({"/proc/net/dev": first}, {"/proc/net/dev": last})).rows
    assert row == InterfaceRow("eth0", 0.0, 0.0, 0.0, 0.0, 5, 7, 6, 8)


def test_what_counts_again_what_is_idle_what_came_and_what_is_left_out_is_said() -> None:
    used = b" 100 10 0 0 0 0 0 0 200 20 0 0 0 0 0 0\n"
    first = HEADERS + b"eth0:" + used + b"docker0:" + used + b"eth0.7:" + used + b"eth1:" + EMPTY
    last = first + b"veth9:" + used
    window = window_of({"/proc/net/dev": first}, {"/proc/net/dev": last})
    table = fill(INTERFACES, window)
    assert [row[0] for row in table.rows] == ["eth0", "docker0", "eth0.7", "veth9"]
    assert table.rows[3] == InterfaceRow("veth9", None, None, None, None, None, None, None, None)
    assert table.notes == (
        "veth9: it came between the readings",
        "may count packets that pass another interface too: docker0, eth0.7, veth9",
        "interfaces that never carried a packet are not shown: 1",
    )
    assert fill(INTERFACES, window, TableOptions(top=1)).notes[-1] == (
        "3 interfaces with less traffic are not shown (--top)"
    )


def snmp(opens: int, sent: int, again: int) -> bytes:
    return (
        b"Tcp: MaxConn ActiveOpens CurrEstab OutSegs RetransSegs\nTcp: -1 %d 3 %d %d\n"
        b"Udp: InDatagrams InErrors\nUdp: 29 0\n" % (opens, sent, again)
    )


def test_tcp_is_told_in_rates_and_totals_and_what_a_kernel_does_not_count_is_left_out() -> None:
    netstat = b"TcpExt: ListenOverflows\nTcpExt: 5\n"
    first = {"/proc/net/snmp": snmp(16, 1000, 0), "/proc/net/netstat": netstat}
    last = {"/proc/net/snmp": snmp(20, 2000, 6), "/proc/net/netstat": netstat}
    table = fill(TCP, window_of(first, last, interval_s=2.0))
    assert table.rows == [
        CounterRow("Tcp CurrEstab", "connections established now", None, 3),
        CounterRow("TCP tw", "connections in TIME_WAIT now", None, 0),
        CounterRow("TCP orphan", "closed, but with data to send, now", None, 0),
        CounterRow("Tcp ActiveOpens", "connections opened", 2.0, 20),
        CounterRow("Tcp OutSegs", "segments sent", 500.0, 2000),
        CounterRow("Tcp RetransSegs", "segments sent again", 3.0, 6),
        CounterRow("TcpExt ListenOverflows", "accept queue full", 0.0, 5),
        CounterRow("Udp InDatagrams", "datagrams received", 0.0, 29),
        CounterRow("Udp InErrors", "datagrams lost on receipt", 0.0, 0),
    ]
    assert table.notes == ()


def test_one_file_that_is_missing_is_said_and_the_other_is_shown() -> None:
    table = fill(TCP, window_of({"/proc/net/netstat": 13}, {"/proc/net/netstat": 13}))
    assert table.notes == ("/proc/net/netstat: not permitted (EACCES)",)
    assert "Tcp OutSegs" in [row[0] for row in table.rows]
    assert not [row for row in table.rows if row[0].startswith("TcpExt")]


def test_without_both_files_the_table_says_why_it_is_empty() -> None:
    none = {"/proc/net/netstat": 2, "/proc/net/snmp": 2}
    assert fill(TCP, window_of(none, none)).missing == "/proc/net/snmp: not on this kernel (ENOENT)"
