from typing import Dict, Tuple

import pytest

from kdiag.host.memory import Content
from tests.health.checks.verdicts import findings, not_applicable, only, verdicts
from tests.health.windows import window_of

BUDDYINFO, NODES = "/proc/buddyinfo", "/sys/devices/system/node"


def buddy(*counts: int) -> bytes:
    return b"Node %d, zone %8s " + b" ".join(b"%6d" % count for count in counts) + b" \n"


def test_the_node_with_the_fewest_large_blocks_is_named() -> None:
    text = buddy(1, 1, 1, 1, 3, 2) % (0, b"Normal") + buddy(1, 1, 1, 1, 0, 1) % (1, b"Normal")
    finding = only(window_of(last={BUDDYINFO: text}), "mem.frag")
    assert (finding.status, finding.value) == ("ok", 1)
    assert finding.summary == "free blocks of 16 pages or more: 1 on node1"
    assert [str(each) for each in finding.evidence] == ["/proc/buddyinfo:2"]


def test_nodes_are_judged_one_by_one_and_many_are_summed_up() -> None:
    text = b"".join(buddy(9, 9, 9, 9, 0, 0) % (node, b"Normal") for node in range(22))
    found = findings(window_of(last={BUDDYINFO: text}), "mem.frag")
    assert [each.subject for each in found] == [*(f"node{node}" for node in range(20)), ""]
    assert {each.status for each in found} == {"warning"}
    assert found[20].summary == "2 more nodes have few or none"


def test_zones_that_hold_no_memory_of_the_kernel_are_not_judged() -> None:
    movable = buddy(9, 9, 9, 9, 0, 0) % (0, b"Movable")
    assert only(window_of(last={BUDDYINFO: movable}), "mem.frag").status == "unknown"


def test_the_small_zone_dma_counts_only_where_there_is_no_other() -> None:
    dma, normal = buddy(0, 0, 0, 0, 0, 3) % (0, b"DMA"), buddy(9, 9, 9, 9, 0, 0) % (0, b"Normal")
    assert only(window_of(last={BUDDYINFO: dma + normal}), "mem.frag").status == "warning"
    assert only(window_of(last={BUDDYINFO: dma}), "mem.frag").status == "ok"


def numa_host(*grown: Tuple[int, int], total: int = 1000) -> Tuple[Dict[str, Content], Dict[str, Content]]:
    first: Dict[str, Content] = {}
    last: Dict[str, Content] = {}
    for node, (hits, foreign) in enumerate(grown):
        for files, times in ((first, 0), (last, 1)):
            files[f"{NODES}/node{node}/meminfo"] = b"Node %d MemTotal: %d kB\nNode %d MemFree: %d kB\n" % (
                node,
                total,
                node,
                node * total // 4,
            )
            files[f"{NODES}/node{node}/numastat"] = b"numa_hit %d\nnuma_foreign %d\n" % (
                5 + hits * times,
                7 + foreign * times,
            )
    return first, last


@pytest.mark.parametrize(
    ("hits", "foreign", "status"),
    [(9000, 1000, "warning"), (9001, 1000, "ok"), (0, 999, "ok"), (0, 1000, "warning")],
)
def test_a_tenth_from_elsewhere_is_a_warning_from_1000_pages_a_second_on(
    hits: int, foreign: int, status: str
) -> None:
    assert only(window_of(*numa_host((hits, foreign), (5, 0))), "mem.numa").status == status


def test_a_full_node_is_named_with_what_the_nodes_have_free() -> None:
    finding = only(window_of(*numa_host((3000, 1000), (5, 0), (0, 0))), "mem.numa")
    assert (finding.status, finding.subject, finding.value) == ("warning", "node0", 25.0)
    assert finding.summary == (
        "25.0% of the pages meant for this node came from another (1000 pages/s); "
        "free: 0% on node0 to 50% on node2"
    )
    assert [each.raw for each in finding.evidence] == ["numa_hit 3005", "numa_foreign 1007"]


def test_a_single_node_has_no_other_to_take_memory_from() -> None:
    assert not_applicable(window_of(), "mem.numa") == "there is one NUMA node"


def test_allocations_since_boot_are_not_judged() -> None:
    _, last = numa_host((0, 10**6), (0, 0))
    assert only(window_of(last=last, once=True), "mem.numa").status == "unknown"


def test_a_node_that_came_after_the_first_reading_is_unknown() -> None:
    first, last = numa_host((5, 5), (5, 5))
    del first[f"{NODES}/node1/numastat"], first[f"{NODES}/node1/meminfo"]
    assert only(window_of(first, last), "mem.numa").status == "unknown"


@pytest.mark.parametrize(
    ("path", "check_id"), [(BUDDYINFO, "mem.frag"), (f"{NODES}/node1/numastat", "mem.numa")]
)
@pytest.mark.parametrize("content", [13, 2, b"", b"\xff\x00 nonsense\n", b"numa_hit 5\nnuma_fore"])
def test_a_damaged_file_is_never_well(path: str, check_id: str, content: Content) -> None:
    first, last = numa_host((5000, 0), (5000, 0))
    last[path] = content
    for window in (window_of(first, last), window_of(last=last, once=True)):
        assert [getattr(each, "status", "n/a") for each in verdicts(window, check_id)] == ["unknown"]
