import pytest

from kdiag.procfs.cpu_columns import counts, cpu_heading


def test_a_heading_gives_the_number_of_each_columns_cpu() -> None:
    assert cpu_heading(b"            CPU0       CPU2     CPU4095       ") == (0, 2, 4095)


@pytest.mark.parametrize("line", [b"", b"   ", b" 24:   1", b"CPU", b"CPU0 CPUx", b"cpu0", b"CPU0 CPU-1"])
def test_any_other_line_is_no_heading(line: bytes) -> None:
    assert cpu_heading(line) is None


def test_counts_are_exact_and_zero_is_a_count() -> None:
    assert counts([b"0", b"%d" % 2**32, b"%d" % 2**64]) == (0, 2**32, 2**64)


@pytest.mark.parametrize("tokens", [[], [b"1", b"x"], [b"-1"], [b"1_0"], [b"+1"], [b"1", b"9" * 5000]])
def test_a_token_that_is_no_count_refuses_the_row(tokens: "list[bytes]") -> None:
    assert counts(tokens) is None
