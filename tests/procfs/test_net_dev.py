import pytest

from kdiag.procfs.net_dev import NetInterface, parse_net_dev
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

HEADER = b"""\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""  # noqa: E501
LINES_6_18 = b"""\
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 69920711    1902    1    2    3     4          5         6   124130    1195    7    8    9    10      11         12
"""  # noqa: E501
REAL_6_18 = HEADER + LINES_6_18
ZEROS = b" 0" * 15


def test_received_and_sent_columns_are_told_apart() -> None:
    parsed = parse_net_dev(REAL_6_18)
    assert parsed.problems == ()
    assert parsed.interfaces[0].name == "lo"
    assert parsed.interfaces[1] == NetInterface(
        name="eth0",
        rx_bytes=69920711,
        rx_packets=1902,
        rx_errors=1,
        rx_dropped=2,
        rx_fifo_errors=3,
        rx_frame_errors=4,
        rx_compressed=5,
        rx_multicast=6,
        tx_bytes=124130,
        tx_packets=1195,
        tx_errors=7,
        tx_dropped=8,
        tx_fifo_errors=9,
        collisions=10,
        tx_carrier_errors=11,
        tx_compressed=12,
        extra=(),
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"eth0:123" + ZEROS, "eth0"),  # "%6s:%8lu" of old kernels glues a wide number to the name
        (b"eth0:1:123" + ZEROS, "eth0:1"),  # an alias, as old kernels list it
        (b"   a|b: 123" + ZEROS, "a|b"),  # made on 6.18 with ip link add
        (b"e\x1b[1m\xff: 123" + ZEROS, "e\x1b[1m\udcff"),  # made on 6.18 too
        (b"Inter-x: 123" + ZEROS, "Inter-x"),
    ],
)
def test_the_last_colon_ends_the_name(line: bytes, name: str) -> None:
    parsed = parse_net_dev(HEADER + line + b"\n")
    assert [(found.name, found.rx_bytes) for found in parsed.interfaces] == [(name, 123)]
    assert parsed.problems == ()


def test_a_file_without_headers_is_read_too() -> None:
    assert [found.name for found in parse_net_dev(LINES_6_18).interfaces] == ["lo", "eth0"]


def test_columns_of_a_later_kernel_survive() -> None:
    parsed = parse_net_dev(HEADER + b"lo: 1" + ZEROS + b" 17 18\n")
    assert parsed.interfaces[0].extra == (17, 18)


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_counters_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    interface = parse_net_dev(b"lo:" + b" %d" % value * 16 + b"\n").interfaces[0]
    assert (interface.rx_bytes, interface.tx_compressed) == (value, value)


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_net_dev(
        HEADER + b"eth1: 1 2 3\neth2: -1" + ZEROS + b"\n: 1" + ZEROS + b"\n" + LINES_6_18, "/proc/1/net/dev"
    )
    assert [found.name for found in parsed.interfaces] == ["lo", "eth0"]
    wanted = "NAME: and 16 or more numbers"
    assert parsed.problems == (
        Problem("/proc/1/net/dev", 3, "eth1: 1 2 3", wanted),
        Problem("/proc/1/net/dev", 4, "eth2: -1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", wanted),
        Problem("/proc/1/net/dev", 5, ": 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", wanted),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_net_dev, REAL_6_18)
    holds_for_any_bytes(parse_net_dev, REAL_6_18)
