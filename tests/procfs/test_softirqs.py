import pytest

from kdiag.procfs.softirqs import parse_softirqs
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

SOFTIRQS_6_18 = b"""\
                    CPU0       CPU1       
          HI:          0          0
       TIMER:       4770       4582
      NET_TX:          3          0
      NET_RX:       1007       1178
       BLOCK:          0       7752
    IRQ_POLL:          0          0
     TASKLET:          1          1
       SCHED:      10086       7524
     HRTIMER:          0          0
         RCU:       7013       7513
"""  # noqa: W291 (the kernel ends the heading with blanks)


def test_kinds_are_read_with_a_count_for_each_cpu() -> None:
    parsed = parse_softirqs(SOFTIRQS_6_18)
    assert parsed.cpus == (0, 1)
    assert parsed.per_cpu == {
        "HI": (0, 0),
        "TIMER": (4770, 4582),
        "NET_TX": (3, 0),
        "NET_RX": (1007, 1178),
        "BLOCK": (0, 7752),
        "IRQ_POLL": (0, 0),
        "TASKLET": (1, 1),
        "SCHED": (10086, 7524),
        "HRTIMER": (0, 0),
        "RCU": (7013, 7513),
    }
    assert parsed.problems == ()


def test_a_kind_is_known_by_its_name_and_a_new_one_survives() -> None:
    # 3.10 calls IRQ_POLL BLOCK_IOPOLL.
    parsed = parse_softirqs(b" CPU0 CPU3\nBLOCK_IOPOLL: 1 2\nNEW_KIND: 3 4\n")
    assert parsed.cpus == (0, 3)
    assert parsed.per_cpu == {"BLOCK_IOPOLL": (1, 2), "NEW_KIND": (3, 4)}


@pytest.mark.parametrize(
    "line", [b"", b"SCHED:", b"SCHED: 1", b"SCHED: 1 2 3", b"SCHED: 1 x", b"SCHED 1 2", b": 1 2"]
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_softirqs(b" CPU0 CPU1\n" + line + b"\nRCU: 3 4\n", "/r/proc/softirqs")
    assert parsed.problems == (Problem("/r/proc/softirqs", 2, line.decode(), "KIND: 2 numbers"),)
    assert parsed.per_cpu == {"RCU": (3, 4)}


def test_without_a_heading_no_column_is_guessed() -> None:
    parsed = parse_softirqs(b"RCU: 3 4\nSCHED: 1 2\n", "/r/proc/softirqs")
    assert (parsed.cpus, parsed.per_cpu) == ((), {})
    assert parsed.problems == (Problem("/r/proc/softirqs", 1, "RCU: 3 4", "CPU0 CPU1 ..."),)


@pytest.mark.parametrize("count", [2**32 - 1, 2**32, 2**64])
def test_counts_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    assert parse_softirqs(b" CPU0\nRCU: %d\n" % count).per_cpu == {"RCU": (count,)}


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_softirqs, SOFTIRQS_6_18)
    holds_for_any_bytes(parse_softirqs, SOFTIRQS_6_18)
