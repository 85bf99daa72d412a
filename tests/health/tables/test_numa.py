from typing import Dict

from kdiag.health.table import fill
from kdiag.health.tables.numa import TABLES, NumaRow
from kdiag.host.memory import Content
from tests.health.windows import window_of

(NUMA,) = TABLES
NODES = "/sys/devices/system/node"


def node(number: int, hits: int, foreign: int) -> Dict[str, Content]:
    lines = (
        (b"MemTotal", 4000),
        (b"MemFree", 1000),
        (b"FilePages", 500),
        (b"AnonPages", 300),
        (b"Slab", 20),
    )
    return {
        f"{NODES}/node{number}/meminfo": b"".join(b"Node %d %s: %d kB\n" % (number, *line) for line in lines),
        f"{NODES}/node{number}/numastat": b"numa_hit %d\nnuma_miss 5\nnuma_foreign %d\n" % (hits, foreign),
    }


def test_each_node_is_a_row_with_its_memory_and_its_allocations() -> None:
    first = {**node(0, 100, 7), **node(1, 100, 0)}
    last = {**node(0, 300, 27), **node(1, 100, 0)}
    table = fill(NUMA, window_of(first, last, interval_s=2.0))
    assert table.rows == [
        NumaRow(0, 4000, 1000, 25.0, 500, 300, 20, 100.0, 0.0, 10.0),
        NumaRow(1, 4000, 1000, 25.0, 500, 300, 20, 0.0, 0.0, 0.0),
    ]
    assert table.basis == "rate over 2.0 s"
    assert table.notes == (
        "miss: served here though another node was meant; foreign: meant for this node, served by another",
    )


def test_a_single_node_is_shown_without_words_about_others() -> None:
    table = fill(NUMA, window_of())
    assert [row["node"] for row in table.as_dicts()] == [0]
    assert table.notes == ()


def test_a_file_that_cannot_be_read_leaves_its_columns_unknown() -> None:
    changes = {**node(0, 100, 7), f"{NODES}/node0/meminfo": 13}
    assert fill(NUMA, window_of(changes, changes)).rows == [
        NumaRow(0, None, None, None, None, None, None, 0.0, 0.0, 0.0)
    ]
    changes = {**node(0, 100, 7), f"{NODES}/node0/numastat": 13}
    assert fill(NUMA, window_of(changes, changes)).rows == [
        NumaRow(0, 4000, 1000, 25.0, 500, 300, 20, None, None, None)
    ]


def test_a_kernel_without_nodes_leaves_the_table_empty_with_the_reason() -> None:
    window = window_of()
    window.after.numa_nodes.clear()
    assert fill(NUMA, window).missing == "/sys/devices/system/node: not read"
