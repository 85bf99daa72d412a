from kdiag.procfs.pressure import PressureLine, parse_pressure
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

MEMORY_6_18 = b"""\
some avg10=12.30 avg60=4.00 avg300=0.18 total=2214798
full avg10=0.10 avg60=0.00 avg300=0.00 total=318175
"""
CPU_5_10 = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=17\n"  # no full line before 5.13
IRQ_6_1 = b"full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"  # irq has no some line


def test_both_lines_are_read_with_their_units() -> None:
    parsed = parse_pressure(MEMORY_6_18)
    assert parsed.some == PressureLine(12.3, 4.0, 0.18, 2214798, {})
    assert parsed.full == PressureLine(0.1, 0.0, 0.0, 318175, {})
    assert parsed.problems == ()


def test_a_line_that_the_kernel_does_not_print_is_none() -> None:
    assert parse_pressure(CPU_5_10).full is None
    assert parse_pressure(IRQ_6_1).some is None


def test_a_new_average_and_a_new_kind_of_line_survive() -> None:
    parsed = parse_pressure(b"some avg10=1.00 avg900=2.00 total=5\nidle avg10=3.00 total=6\n")
    assert parsed.some == PressureLine(1.0, None, None, 5, {"avg900": "2.00"})
    assert parsed.extra["idle"].total_us == 6


def test_a_bad_line_is_named_and_the_other_survives() -> None:
    parsed = parse_pressure(b"some avg10=nan total=5\nfull avg10=1.00 total=6\n", "/proc/pressure/io")
    assert parsed.some is None
    assert parsed.full is not None and parsed.full.total_us == 6
    assert parsed.problems == (
        Problem(
            "/proc/pressure/io", 1, "some avg10=nan total=5", "some|full avg10=N avg60=N avg300=N total=N"
        ),
    )


def test_a_total_beyond_64_bits_is_kept_exact() -> None:
    parsed = parse_pressure(b"some total=%d\n" % 2**64)
    assert parsed.some is not None and parsed.some.total_us == 2**64


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pressure, MEMORY_6_18)
    holds_for_any_bytes(parse_pressure, MEMORY_6_18)
