from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.load import TABLES, LoadRow
from tests.health.windows import window_of

(LOAD,) = TABLES
COUNTS = "load counts tasks that run or wait for a CPU (running) and tasks in state D (blocked) alike"


def test_load_is_shown_with_what_it_is_made_of() -> None:
    table = fill(LOAD, window_of())
    assert table.rows == [LoadRow(0.07, 0.03, 0.01, 2, 0, 0, 0, 118)]
    assert (table.basis, table.notes) == ("instant", (COUNTS,))


def test_threads_that_are_not_seen_are_said() -> None:
    loaded = {"/proc/loadavg": b"3.00 1.00 1.00 1/900 1800\n"}
    table = fill(LOAD, window_of(loaded, loaded))
    assert table.notes == (COUNTS, "blocked: not all threads were looked at, there may be more")


def test_what_is_not_known_is_none() -> None:
    table = fill(LOAD, window_of(last={"/proc/stat": 13}))
    assert table.rows == [LoadRow(0.07, 0.03, 0.01, 2, None, 0, None, 118)]


def test_the_moving_windows_are_explained_on_demand() -> None:
    notes = fill(LOAD, window_of(), TableOptions(explain=True)).notes
    assert len(notes) == 4
    assert notes[1].startswith(
        "load1 follows what happens now, load15 what happened over a quarter of an hour"
    )


def test_a_load_that_cannot_be_read_leaves_the_table_empty_with_the_reason() -> None:
    table = fill(LOAD, window_of(last={"/proc/loadavg": 13}))
    assert table.missing == "/proc/loadavg: not permitted (EACCES)"
