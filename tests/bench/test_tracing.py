"""What the bench of tracing reads out of others' output."""

import pytest

from bench.measure import CannotMeasure
from bench.ready import nanoseconds_in
from bench.tracing import _WAYS, _lost, dd_seconds


def test_the_time_of_dd_is_found_whatever_stands_around_it() -> None:
    told = "strace: x\n5+0 records out\n400000 bytes (400 kB, 391 KiB) copied, 0.223 s, 1.8 MB/s\n% time\n"
    assert dd_seconds(told) == 0.223


def test_a_run_in_which_dd_told_no_time_is_none() -> None:
    with pytest.raises(CannotMeasure, match="no such file"):
        dd_seconds("dd: no such file")


def test_losses_are_read_from_the_document() -> None:
    assert _lost('{"lost": 12}') == "12 events lost"


def test_kdiag_and_the_loop_without_it_take_turns_with_every_peer() -> None:
    assert {"untraced", "kdiag", "bare", "perf stat", "perf trace", "strace", "bpftrace"} <= set(_WAYS)


def test_every_mechanism_of_syscount_takes_turns() -> None:
    assert {"kdiag bpf", "kdiag counts", "kdiag ftrace", "kdiag bcc", "perf begins"} <= set(_WAYS)


def test_the_time_of_date_is_found_among_other_output() -> None:
    assert nanoseconds_in('{\n"x": 1}\n1795000000123456789\n') == 1795000000123456789
    with pytest.raises(CannotMeasure, match="nothing"):
        nanoseconds_in("nothing")
