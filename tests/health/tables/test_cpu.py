from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.cpu import TABLES, ActivityRow, CpuRow
from tests.health.windows import BARE_FACTS, window_of

CPU, ACTIVITY = TABLES
STAT, SCHEDSTAT = "/proc/stat", "/proc/schedstat"
IDLE = (3.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 95.0)


def test_all_cpus_are_one_row() -> None:
    table = fill(CPU, window_of())
    assert table.rows == [CpuRow("all", *IDLE)]
    assert (table.basis, table.notes) == ("rate over 1.0 s", ())


def test_each_cpu_has_a_row_if_asked_for() -> None:
    table = fill(CPU, window_of(), TableOptions(per_cpu=True))
    assert table.rows == [CpuRow("all", *IDLE), CpuRow("0", *IDLE), CpuRow("1", *IDLE)]


def test_the_columns_are_called_as_in_mpstat() -> None:
    assert [field.replace("_pct", "") for field in CpuRow._fields[1:]] == (
        "usr nice sys iowait irq soft steal guest gnice idle".split()
    )


def test_shares_need_no_clock_tick() -> None:
    assert fill(CPU, window_of(facts=BARE_FACTS)).rows == [CpuRow("all", *IDLE)]


def test_a_cpu_that_is_left_out_is_named_with_the_reason() -> None:
    first = {STAT: b"cpu  0 0 0 9000\ncpu0 0 0 0 4000\ncpu1 0 0 0 5000\n"}
    last = {STAT: b"cpu  90 0 0 4102\ncpu0 50 0 0 4050\ncpu1 40 0 0 2\n"}
    table = fill(CPU, window_of(first, last), TableOptions(per_cpu=True))
    assert [row["cpu"] for row in table.as_dicts()] == ["all", "0"]
    assert table.notes == ("left out: CPU 1 (its counters began anew: it left and came back)",)


def test_many_cpus_that_are_left_out_are_counted() -> None:
    first = {STAT: b"cpu  0 0 0 0\ncpu0 0 0 0 0\n"}
    late = b"".join(b"cpu%d 0 0 0 50\n" % cpu for cpu in range(1, 12))
    (note,) = fill(CPU, window_of(first, {STAT: b"cpu  0 0 0 100\ncpu0 0 0 0 100\n" + late})).notes
    assert note.endswith("8 (it was not online all the time) and 3 more")


def test_one_reading_gives_the_average_since_boot_and_says_so() -> None:
    table = fill(CPU, window_of(last={STAT: b"cpu  10 0 0 90\ncpu0 10 0 0 90\n"}, once=True))
    assert table.rows == [CpuRow("all", 10.0, 0.0, 0.0, None, None, None, None, None, None, 90.0)]
    assert table.basis == "since boot"


def test_a_stat_file_that_cannot_be_read_leaves_the_table_empty_with_the_reason() -> None:
    table = fill(CPU, window_of({STAT: 13}, {STAT: 13}))
    assert (table.rows, table.missing) == ((), "/proc/stat: not permitted (EACCES)")


def test_activity_is_per_second_and_waiting_is_tasks_on_average() -> None:
    first = {SCHEDSTAT: b"version 15\ncpu0 0 0 0 0 0 0 5 1000000000 9\ncpu1 0 0 0 0 0 0 5 0 9\n"}
    last = {SCHEDSTAT: b"version 15\ncpu0 0 0 0 0 0 0 5 2500000000 9\ncpu1 0 0 0 0 0 0 5 1000000000 9\n"}
    table = fill(ACTIVITY, window_of(first, last))
    assert table.rows == [ActivityRow(310.0, 0.0, 0.0, 1.0, 2.5)]
    assert table.notes == ()


def test_without_schedstat_nobody_knows_how_many_waited() -> None:
    table = fill(ACTIVITY, window_of({SCHEDSTAT: 2}, {SCHEDSTAT: 2}))
    assert table.rows == [ActivityRow(310.0, 0.0, 0.0, 1.0, None)]
    assert table.notes == ("waiting: not known without /proc/schedstat (not on this kernel (ENOENT))",)
