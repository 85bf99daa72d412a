from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.interrupts import TABLES, InterruptRow, SoftirqRow
from kdiag.health.window import Window
from tests.health.overlay import quiet_overlay, snapshot_of
from tests.health.windows import window_of

INTERRUPTS, SOFTIRQS = TABLES
#: Lines of /proc/interrupts of Linux 6.18, with other numbers.
HEAD = b"           CPU0       CPU1       \n"
FIRST = (
    HEAD
    + b" 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n"
    + b" 42:        100        900 PCI-MSIX-0000:00:04.0   2-edge      virtio3-tx\n"
    + b"LOC:     200000     300000   Local timer interrupts\n"
    + b"ERR:          3\n"
)
LAST = (
    HEAD
    + b" 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n"
    + b" 42:        110       1000 PCI-MSIX-0000:00:04.0   2-edge      virtio3-tx\n"
    + b"LOC:     200250     300200   Local timer interrupts\n"
    + b"ERR:          5\n"
)


def interrupts(first: bytes, last: bytes, once: bool = False) -> Window:
    path = "/proc/interrupts"
    return window_of({path: first}, {path: last}, sections=("interrupts",), once=once)


def test_interrupts_that_came_are_shown_with_their_busiest_cpu() -> None:
    table = fill(INTERRUPTS, interrupts(FIRST, LAST))
    assert table.rows == [
        InterruptRow("LOC", 450.0, 0, 250.0, "Local timer interrupts"),
        InterruptRow("42", 110.0, 1, 100.0, "PCI-MSIX-0000:00:04.0 2-edge virtio3-tx"),
        InterruptRow("ERR", 2.0, None, None, ""),
    ]
    assert (table.basis, table.notes) == ("rate over 1.0 s", ("interrupts that came: 3 of 4",))


def test_each_cpu_has_a_row_if_asked_for_and_only_the_top_are_shown() -> None:
    options = TableOptions(per_cpu=True, top=1)
    assert fill(INTERRUPTS, interrupts(FIRST, LAST), options).rows == [
        InterruptRow("LOC", 450.0, 0, 250.0, "Local timer interrupts"),
        InterruptRow("LOC", 450.0, 1, 200.0, "Local timer interrupts"),
    ]


def test_a_count_that_wrapped_at_2_to_the_32_still_has_its_rate() -> None:
    first, last = HEAD + b"LOC: 4294967290 0 x\n", HEAD + b"LOC: 94 0 x\n"
    assert fill(INTERRUPTS, interrupts(first, last)).rows == [InterruptRow("LOC", 100.0, 0, 100.0, "x")]


def test_columns_are_matched_by_cpu_and_not_by_place() -> None:
    first = b"           CPU0       CPU1       CPU2\nLOC: 100 200 300 x\n"
    last = b"           CPU0       CPU2\nLOC: 110 350 x\n"  # CPU 1 went offline
    options = TableOptions(per_cpu=True)
    assert fill(INTERRUPTS, interrupts(first, last), options).rows == [
        InterruptRow("LOC", 60.0, 2, 50.0, "x"),
        InterruptRow("LOC", 60.0, 0, 10.0, "x"),
    ]


def test_one_reading_gives_averages_since_boot_that_may_have_wrapped() -> None:
    table = fill(INTERRUPTS, interrupts(FIRST, LAST, once=True))
    assert table.as_dicts()[0]["all_per_s"] == 500450 / 1745.59
    assert table.basis == "since boot"
    assert "counts wrap at 2^32 for each CPU, so an average since boot may be too low" in table.notes


def test_softirqs_are_shown_by_kind() -> None:
    first = b"                    CPU0       CPU1\n      NET_RX:       1000       1000\n          HI: 0 0\n"
    last = b"                    CPU0       CPU1\n      NET_RX:       1010       1090\n          HI: 0 0\n"
    table = fill(SOFTIRQS, window_of({"/proc/softirqs": first}, {"/proc/softirqs": last}))
    assert table.rows == [SoftirqRow("NET_RX", 100.0, 1, 90.0)]


def test_the_tables_are_filled_only_when_they_are_asked_for() -> None:
    shown = {table.section for table in snapshot_of(quiet_overlay()).tables}
    assert "cpu" in shown
    assert "interrupts" not in shown


def test_a_file_that_cannot_be_read_leaves_the_table_empty_with_the_reason() -> None:
    path = "/proc/interrupts"
    denied = window_of({path: 13}, {path: 13}, sections=("interrupts",))
    assert fill(INTERRUPTS, denied).missing == "/proc/interrupts: not permitted (EACCES)"
    late = window_of({path: 13}, {path: LAST}, sections=("interrupts",))
    assert fill(INTERRUPTS, late).missing.endswith("(in the first reading)")
