import pytest

from tests.health.checks.verdicts import findings, not_applicable, only
from tests.health.windows import window_of

NET_DEV, SOFTNET, SNMP, NETSTAT = (f"/proc/net/{name}" for name in ("dev", "softnet_stat", "snmp", "netstat"))
HEADERS = b"Inter-|   Receive                    |  Transmit\n face |bytes    packets |bytes\n"
SOCKSTAT = b"sockets: used 13\nTCP: inuse 1 orphan %d tw 0 alloc 1 mem %d\n"


def interface(name: str, rx: "tuple[int, ...]" = (0, 0, 0, 0), tx: "tuple[int, ...]" = (0, 0, 0, 0)) -> bytes:
    """Return a line of net/dev: bytes, packets, errors, drops each way."""
    received, sent = (" ".join(map(str, way)) + " 0 0 0 0" for way in (rx, tx))
    return f"{name}: {received} {sent}\n".encode()


def softnet(*rows: "tuple[int, int, int]") -> bytes:
    """Return softnet_stat with 13 columns (5.10): processed, dropped, squeezed of CPUs from 0 on."""
    lines = (
        " ".join(f"{number:08x}" for number in (*row, *[0] * 9, cpu)) + "\n" for cpu, row in enumerate(rows)
    )
    return "".join(lines).encode()


def test_errors_and_drops_of_both_ways_are_one_finding_of_the_interface() -> None:
    last = {
        NET_DEV: HEADERS
        + interface("lo", (20400, 204, 0, 0), (20400, 204, 0, 0))
        + interface("eth0", (81234567, 81234, 300, 1000), (5123456, 41234, 7, 0))
    }
    finding = only(window_of(last=last), "net.errors")
    assert (finding.status, finding.subject, finding.value) == ("warning", "eth0", 100.0)
    assert finding.summary == (
        "300 errors, 20000 packets received (1.5% lost); 1000 dropped, 20000 packets received (4.8% lost); "
        "7 errors, 0 packets sent (100.0% lost)"
    )
    assert (str(finding.evidence[0]), finding.next) == ("/proc/net/dev:4", "ethtool -S eth0")


@pytest.mark.parametrize(
    ("packets", "errors", "status"), [(495, 5, "warning"), (496, 5, "info"), (2, 4, "info"), (500, 0, "ok")]
)
def test_errors_are_judged_by_their_share_and_their_number(packets: int, errors: int, status: str) -> None:
    first = {NET_DEV: HEADERS + interface("eth0")}
    last = {NET_DEV: HEADERS + interface("eth0", (packets * 100, packets, errors, 0))}
    assert only(window_of(first, last), "net.errors").status == status


@pytest.mark.parametrize(
    ("packets", "drops", "status"), [(9800, 200, "warning"), (9801, 199, "ok"), (9700, 299, "ok")]
)
def test_drops_are_judged_where_many_packets_come(packets: int, drops: int, status: str) -> None:
    first = {NET_DEV: HEADERS + interface("eth0")}
    last = {NET_DEV: HEADERS + interface("eth0", (packets * 100, packets, 0, drops))}
    assert only(window_of(first, last), "net.errors").status == status


def test_interfaces_that_came_or_were_reset_are_named_as_not_judged() -> None:
    first = {NET_DEV: HEADERS + interface("lo") + interface("eth0", (900, 9, 0, 0))}
    last = {
        NET_DEV: HEADERS
        + interface("lo", (100, 1, 0, 2))
        + interface("eth0", (100, 1, 1, 0))
        + interface("veth1")
    }
    assert only(window_of(first, last), "net.errors").summary == (
        "no errors on any interface; 1 packets passed, 2 were dropped "
        "(not judged: eth0: its counters were reset; veth1: it came between the readings)"
    )


def test_errors_since_boot_are_told_and_not_judged() -> None:
    few = {NET_DEV: HEADERS + interface("eth0", (100_000_000, 1_000_000, 3, 0))}
    finding = only(window_of(last=few, once=True), "net.errors")
    assert (finding.status, finding.basis) == ("info", "since boot")
    many = {NET_DEV: HEADERS + interface("eth0", (100_000_000, 1_000_000, 300_000, 0))}
    assert only(window_of(last=many, once=True), "net.errors").status == "unknown"


def test_a_namespace_without_interfaces_has_nothing_to_judge() -> None:
    assert not_applicable(window_of({NET_DEV: HEADERS}, {NET_DEV: HEADERS}), "net.errors") == (
        "there are no network interfaces"
    )


def test_a_file_without_a_readable_line_is_unknown() -> None:
    garbage = {NET_DEV: HEADERS + b"eth0 12\n"}
    assert "no line of it could be read" in only(window_of(last=garbage), "net.errors").because


def test_drops_of_all_cpus_are_added_and_the_worst_is_named_with_its_line() -> None:
    window = window_of(
        {SOFTNET: softnet((8, 1, 0), (100, 0, 0))},
        {SOFTNET: softnet((9, 3, 50), (900, 7, 0))},
        interval_s=2.0,
    )
    finding = only(window, "net.softnet")
    assert (finding.status, finding.value, finding.unit) == ("warning", 4.5, "packets/s")
    assert finding.summary == "4.5 packets/s dropped, budget ran out 25.0 times/s; most on CPU 1"
    assert finding.evidence[0].line == 2 and finding.evidence[0].raw.startswith("00000384 00000007")


def test_squeezes_alone_are_the_value_and_ten_a_second_are_not_yet_too_many() -> None:
    first = {SOFTNET: softnet((8, 0, 0))}
    finding = only(window_of(first, {SOFTNET: softnet((9, 0, 10))}), "net.softnet")
    assert (finding.status, finding.value) == ("ok", 0.0)
    finding = only(window_of(first, {SOFTNET: softnet((9, 0, 11))}), "net.softnet")
    assert (finding.status, finding.value) == ("warning", 11.0)


def test_counters_of_a_cpu_that_began_again_are_unknown() -> None:
    finding = only(window_of({SOFTNET: softnet((900, 5, 5))}, {SOFTNET: softnet((8, 0, 0))}), "net.softnet")
    assert "the counters in line 1 went back: they were reset" in finding.because


def test_a_line_of_softnet_that_cannot_be_read_is_unknown() -> None:
    finding = only(window_of(last={SOFTNET: softnet((8, 0, 0)) + b"xyz\n"}), "net.softnet")
    assert (finding.status, "line 2 could not be read" in finding.because) == ("unknown", True)


def test_one_reading_judges_no_32_bit_totals() -> None:
    assert "one reading" in only(window_of(once=True), "net.softnet").because


def test_overflows_are_told_with_the_line_of_values_cut_down_to_them() -> None:
    def netstat(overflows: int) -> bytes:
        return b"TcpExt: TW ListenOverflows ListenDrops TCPReqQFullDrop\nTcpExt: 8 %d %d 0\n" % (
            overflows,
            overflows,
        )

    finding = only(window_of({NETSTAT: netstat(40)}, {NETSTAT: netstat(46)}, interval_s=2.0), "net.listen")
    assert (finding.status, finding.value, finding.unit) == ("warning", 3.0, "connections/s")
    assert (
        finding.summary == "6 overflows of accept queues, 0 requests dropped by full request queues in 2.0 s"
    )
    assert (str(finding.evidence[0]), finding.evidence[0].raw) == (
        "/proc/net/netstat:2",
        "TcpExt: ListenOverflows=46 ListenDrops=46 TCPReqQFullDrop=0",
    )


def test_a_kernel_that_does_not_count_overflows_is_unknown() -> None:
    none = {NETSTAT: b"TcpExt: TW\nTcpExt: 8\n"}
    assert only(window_of(none, none), "net.listen").because == (
        "/proc/net/netstat: TcpExt ListenOverflows is not in it"
    )


def test_when_tcp_is_well_one_finding_tells_all_four() -> None:
    finding = only(window_of(), "net.tcp")
    assert (finding.status, finding.subject) == ("ok", "")
    assert finding.summary == (
        "0 of 0 segments were retransmitted (0.0%); "
        "TCP holds 67 pages, 0.0% of its limit (it saves from 383868 on); "
        "0 of at most 131072 sockets are orphans (0.0%); "
        "210 of at most 262144 connections are tracked (0.1%)"
    )
    assert len(finding.evidence) == 7


@pytest.mark.parametrize(
    ("pages", "status"),
    [(383868, "ok"), (383869, "warning"), (518221, "warning"), (518222, "critical")],
)
def test_tcp_memory_is_judged_above_its_marks(pages: int, status: str) -> None:
    finding = only(window_of(last={"/proc/net/sockstat": SOCKSTAT % (0, pages)}), "net.tcp")
    assert finding.status == status


def test_several_faults_of_tcp_are_several_findings() -> None:
    last = {
        "/proc/net/sockstat": SOCKSTAT % (70_000, 400_000),
        "/proc/sys/net/netfilter/nf_conntrack_count": b"200000\n",
    }
    assert [(each.status, each.subject) for each in findings(window_of(last=last), "net.tcp")] == [
        ("warning", "memory"),
        ("critical", "orphans"),
        ("warning", "conntrack"),
    ]


def test_with_one_reading_what_needs_one_is_judged_and_retransmits_are_not() -> None:
    found = findings(window_of(once=True), "net.tcp")
    assert [(each.status, each.subject) for each in found] == [("unknown", "retransmits")]
    last = {"/proc/net/sockstat": SOCKSTAT % (70_000, 67)}
    found = findings(window_of(last=last, once=True), "net.tcp")
    assert [(each.status, each.subject) for each in found] == [
        ("unknown", "retransmits"),
        ("critical", "orphans"),
    ]


def test_a_limit_of_no_connections_is_no_limit_and_one_of_no_orphans_has_no_share() -> None:
    unlimited = {"/proc/sys/net/netfilter/nf_conntrack_max": b"0\n"}
    assert "tracked" not in only(window_of(last=unlimited), "net.tcp").summary
    found = findings(window_of(last={"/proc/sys/net/ipv4/tcp_max_orphans": b"0\n"}), "net.tcp")
    assert [(each.status, each.subject) for each in found] == [("unknown", "orphans")]


def test_in_a_namespace_of_its_own_a_container_is_told_why_limits_are_not_shown() -> None:
    gone = {"/proc/sys/net/ipv4/tcp_mem": 2}
    assert "only in the first network namespace" in only(window_of(gone, gone), "net.tcp").because
