import pytest

from bench.claims import Claim, falls_short, median, ratio, slope, verdict


@pytest.mark.parametrize(
    ("measured", "aim", "expected", "short"),
    [
        (7.0, 7.0, "met", False),
        (7.01, 7.0, "MISSED", True),
        (0.0, 0.0, "met", False),
        (99.0, None, "", False),
        (None, 7.0, "not measured", True),
        (None, None, "not measured", True),
    ],
)
def test_an_aim_is_met_up_to_its_value_and_never_without_a_measurement(
    measured: float, aim: float, expected: str, short: bool
) -> None:
    claim = Claim("CPU", "x", measured, aim=aim)
    assert (verdict(claim), falls_short(claim)) == (expected, short)


def test_a_ratio_needs_both_values_and_a_base_that_is_not_zero() -> None:
    assert ratio(6.0, 4.0) == 1.5
    assert [ratio(None, 4.0), ratio(6.0, None), ratio(6.0, 0.0)] == [None, None, None]


def test_the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() -> None:
    assert [median([9.0, 1.0, 2.0]), median([9.0, 1.0, 2.0, 4.0])] == [2.0, 3.0]


def test_the_slope_is_the_growth_alone_and_not_the_fixed_cost() -> None:
    assert slope([(100, 10.1), (500, 10.5), (1000, 11.0), (5000, 15.0)]) == pytest.approx(0.001)


def test_points_off_the_line_are_weighed_by_least_squares() -> None:
    assert slope([(0, 0.0), (1, 3.0), (2, 3.0)]) == pytest.approx(1.5)


def test_one_size_of_host_has_no_slope() -> None:
    assert [slope([]), slope([(100, 1.0)]), slope([(100, 1.0), (100, 2.0)])] == [None, None, None]
