from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.disks import TABLES, DiskRow
from tests.health.windows import window_of

(DISKS,) = TABLES
FILE = "/proc/diskstats"


def disks(**counters: "tuple[int, ...]") -> bytes:
    """Return diskstats of 18 columns (4.18).

    Counters are reads, read ms, writes, write ms, io ms, weighted ms, discards (of 1 MiB and 2 ms each).
    """
    lines = []
    for n, (name, (r, r_ms, w, w_ms, io_ms, queue_ms, d)) in enumerate(counters.items()):
        served = f"{r} 0 {8 * r} {r_ms} {w} 0 {8 * w} {w_ms} 0 {io_ms} {queue_ms}"
        lines.append(f" 8 {16 * n} {name} {served} {d} 0 {2048 * d} {2 * d}\n")
    return "".join(lines).encode()


def test_the_quiet_host_writes_a_little() -> None:
    table = fill(DISKS, window_of())
    assert table.rows == [
        DiskRow("vda", 0.0, 5.0, 0.0, 40.0, None, 0.8, 0.004, 0.4),
        DiskRow("vdb", 0.0, 0.0, 0.0, 0.0, None, None, 0.0, 0.0),
    ]
    assert (table.basis, table.notes) == ("rate over 1.0 s", ())


def test_the_busiest_come_first_and_the_rest_is_counted() -> None:
    first = {FILE: disks(sda=(9, 9, 9, 9, 9, 9, 0), sdb=(9, 9, 9, 9, 9, 9, 0), sdc=(9, 9, 9, 9, 9, 9, 0))}
    last = {
        FILE: disks(
            sda=(10, 10, 9, 9, 10, 10, 0), sdb=(109, 1009, 9, 9, 909, 1009, 0), sdc=(9, 9, 9, 9, 9, 9, 0)
        )
    }
    window = window_of(first, last)
    table = fill(DISKS, window, TableOptions(top=2))
    assert table.rows == [
        DiskRow("sdb", 100.0, 0.0, 400.0, 0.0, 10.0, None, 1.0, 90.0),
        DiskRow("sda", 1.0, 0.0, 4.0, 0.0, 1.0, None, 0.001, 0.1),
    ]
    assert table.notes == ("1 less busy disks are not shown (--top)",)


def test_discards_are_told_where_there_are_any() -> None:
    first, last = {FILE: disks(sda=(9, 9, 9, 9, 9, 9, 5))}, {FILE: disks(sda=(9, 9, 9, 9, 9, 9, 9))}
    assert fill(DISKS, window_of(first, last)).notes == (
        "sda: 4.0 discards/s of 4096 KiB/s, each took 2.0 ms",
    )


def test_a_device_made_of_others_is_shown_and_said_to_count_again() -> None:
    files = {FILE: b" 8 0 sda 5 0 40 1 0 0 0 0 0 1 1\n 253 0 dm-0 5 0 40 1 0 0 0 0 0 1 1\n"}
    table = fill(DISKS, window_of(files, files))
    assert [row[0] for row in table.rows] == ["sda", "dm-0"]
    assert table.notes == ("counted again in the disks below them: dm-0",)


def test_a_disk_that_came_is_a_row_of_unknowns_with_its_reason() -> None:
    first = {FILE: disks(sda=(9, 9, 9, 9, 9, 9, 0))}
    last = {FILE: disks(sda=(9, 9, 9, 9, 9, 9, 0), sdb=(9, 9, 9, 9, 9, 9, 0))}
    table = fill(DISKS, window_of(first, last))
    assert table.rows[1] == DiskRow("sdb", None, None, None, None, None, None, None, None)
    assert table.notes == ("sdb: it came between the readings",)


def test_since_boot_there_are_no_waiting_times() -> None:
    table = fill(DISKS, window_of({}, {"/proc/uptime": b"100.00 50.00\n"}, once=True))
    assert table.rows[0] == DiskRow("vda", 205.34, 99.16, 6303.61, 2114.48, None, None, None, None)
    assert table.basis == "since boot"
    assert table.notes == (
        "vda: 5.1 discards/s of 45602 KiB/s",
        "waiting times, queue and utilisation need two readings: their counters wrap",
    )


def test_a_file_that_cannot_be_read_leaves_the_table_empty_with_the_reason() -> None:
    table = fill(DISKS, window_of(last={FILE: 13}))
    assert (table.rows, table.missing) == ((), "/proc/diskstats: not permitted (EACCES)")
