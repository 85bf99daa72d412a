from kdiag.health.table import fill
from kdiag.health.tables.pressure import TABLES, PressureRow
from tests.health.windows import window_of

(PRESSURE,) = TABLES
PSI = "/proc/pressure"
ZERO = (0.0, 0.0, 0.0)


def test_every_line_but_the_full_one_of_cpu_is_a_row() -> None:
    assert fill(PRESSURE, window_of()).rows == [
        PressureRow("cpu", "some", *ZERO, 0.0),
        PressureRow("memory", "some", *ZERO, 0.0),
        PressureRow("memory", "full", *ZERO, 0.0),
        PressureRow("io", "some", *ZERO, 0.0),
        PressureRow("io", "full", *ZERO, 0.0),
        PressureRow("irq", "full", *ZERO, 0.0),
    ]


def test_the_share_of_the_window_is_exact_where_the_averages_lag() -> None:
    first = {f"{PSI}/cpu": b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n"}
    last = {f"{PSI}/cpu": b"some avg10=1.50 avg60=0.20 avg300=0.10 total=1400000\n"}
    assert fill(PRESSURE, window_of(first, last)).rows[0] == PressureRow("cpu", "some", 1.5, 0.2, 0.1, 40.0)


def test_a_file_that_is_missing_in_the_first_reading_has_averages_and_no_share_of_the_window() -> None:
    row = fill(PRESSURE, window_of({f"{PSI}/cpu": 13})).rows[0]
    assert row == PressureRow("cpu", "some", *ZERO, None)


def test_without_psi_the_table_says_why_it_is_empty() -> None:
    none = {f"{PSI}/{name}": 2 for name in ("cpu", "memory", "io", "irq")}
    assert fill(PRESSURE, window_of(none, none)).missing == "/proc/pressure/cpu: not on this kernel (ENOENT)"
