from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.report.units import cell, duration, header, is_number, significant, size


@pytest.mark.parametrize(
    ("field", "value", "title", "shown"),
    [
        ("steal_pct", 12.345, "%steal", "12.3"),
        ("used_kib", 1024 * 1024 * 3.5, "used", "3.50 GiB"),
        ("rx_bytes_per_s", 1_500.0, "rx/s", "1.46 KiB"),
        ("read_kib_per_s", 2048.0, "read/s", "2 MiB"),
        ("sent_bytes", 0, "sent", "0"),
        ("dirty_pages", 12_345, "dirty pages", "12345"),
        ("scanned_pages_per_s", 0.5, "scanned pages/s", "0.500"),
        ("reads_per_s", 1_234.5, "reads/s", "1234"),
        ("up_s", 273_600.0, "up", "3 d 4 h"),
        ("await_ms", 0.43, "await", "430 us"),
        ("run_delay_us", 1_234_567, "run delay", "1.23 s"),
        ("slice_ns", 750, "slice", "750 ns"),
        ("utime_ticks", 12, "utime ticks", "12"),
        ("load1", 0.42, "load1", "0.420"),
        ("pid", 4_194_303, "pid", "4194303"),
        ("cpus", [0, 2], "cpus", "0, 2"),
        ("limits_kib", (1024, None), "limits", "1 MiB, -"),
        ("readonly", False, "readonly", "no"),
        ("comm", "bash\x1b", "comm", "bash\x1b"),  # cells are escaped by whoever prints them
    ],
)
def test_a_field_is_shown_by_the_unit_in_its_name(field: str, value: Any, title: str, shown: str) -> None:
    assert (header(field), cell(field, value)) == (title, shown)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_not_known_is_a_dash_and_never_zero(value: Any) -> None:
    assert cell("used_kib", value) == "-"
    assert cell("load1", value) == "-"


def test_a_size_never_rounds_up_to_1024_of_its_prefix() -> None:
    assert [size(value) for value in (1023, 1024, 1024**2 - 1, 1024**2, 2**70)] == [
        "1023 B",
        "1 KiB",
        "1.00 MiB",
        "1 MiB",
        "1024 EiB",
    ]


def test_a_duration_goes_on_to_the_next_unit_when_it_rounds_up() -> None:
    seconds = (999.6e-9, 0.9996, 59.94, 59.96, 3_599.6, 86_399.7, 86_400 * 400, -90)
    assert [duration(value) for value in seconds] == [
        "1.00 us",
        "1.00 s",
        "59.9 s",
        "1 min",
        "1 h",
        "1 d",
        "400 d",
        "-1 min 30 s",
    ]


def test_a_column_stands_to_the_right_if_all_that_is_known_of_it_are_numbers() -> None:
    assert is_number("count", [1, None, 2.5])
    assert is_number("rate_per_s", [None])
    assert not is_number("name", [None])
    assert not is_number("mixed", [1, "max"])
    assert not is_number("flag", [True])


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80))
def test_any_number_has_a_text_in_any_unit(value: float) -> None:
    for show in (significant, size, duration):
        assert show(value)
