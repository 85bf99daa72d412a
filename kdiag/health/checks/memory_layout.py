"""Where free memory lies: in pieces too small to use, or on the wrong NUMA node."""

from typing import Dict, Iterator, List, Tuple

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.memory import lines_of, numa_pages
from kdiag.health.finding import INSTANT, Evidence, Finding
from kdiag.health.sample import NumaNode, Sample
from kdiag.health.window import CannotJudge, known
from kdiag.procfs.buddyinfo import BuddyZone
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_BUDDYINFO = "/proc/buddyinfo"
_NODES = "/sys/devices/system/node"
_MAX_SUBJECTS = 20

#: Zones that ordinary requests of the kernel are served from, the one that is asked first at the front.
_KERNEL_ZONES = ("Normal", "DMA32", "DMA")


@check(
    "mem.frag",
    title="Fragmented memory",
    formula="free blocks of 2^order pages or more in zone Normal, and in DMA32, of each node",
    unit="blocks",
    thresholds={"order": 4, "warning_blocks": 1},
    source="kdiag's own; hotsos warns of nodes with few large blocks",
    because=(
        "Memory is free, but in small pieces: large requests of drivers, huge pages and network buffers "
        "must wait for compaction, or fail."
    ),
    next="grep -E 'compact_(stall|fail|success)' /proc/vmstat",
)
def fragmentation(case: Case) -> Iterator[Finding]:
    """Find nodes without a single large free block."""
    sample, order = case.window.after, int(case.limit("order"))
    buddyinfo = known(sample, sample.buddyinfo, _BUDDYINFO)
    nodes = _kernel_zones(buddyinfo.zones)
    if not nodes:
        raise CannotJudge(_BUDDYINFO, "no zone in it serves the kernel's own requests")
    verdicts: List[Tuple[str, int, List[BuddyZone]]] = []
    for node in sorted(nodes):
        first, *others = nodes[node]
        status = case.below(first.free_blocks_from(order), "warning_blocks")
        # What the first zone cannot serve is asked of the one below it.
        if status != "ok" and case.below(_blocks(others, order), "warning_blocks") == "ok":
            status = "info"
        verdicts.append((status, node, nodes[node]))
    bad = [each for each in verdicts if each[0] != "ok"]
    for status, node, zones in bad[:_MAX_SUBJECTS]:
        told = ", ".join(f"{each.free_blocks_from(order)} in {each.zone}" for each in zones)
        yield case.finding(
            status,
            _blocks(zones, order),
            f"free blocks of {1 << order} pages or more: {told}",
            *(_buddy_evidence(sample, each) for each in zones),
            subject=f"node{node}",
            basis=INSTANT,
        )
    if len(bad) > _MAX_SUBJECTS:
        rest = f"{len(bad) - _MAX_SUBJECTS} more nodes have few or none"
        yield case.finding("warning", None, rest, Evidence(_BUDDYINFO, None, ""), basis=INSTANT)
    if not bad and buddyinfo.problems:
        raise CannotJudge(_BUDDYINFO, "a part of it could not be parsed")
    if not bad:
        least = min(verdicts, key=lambda each: _blocks(each[2], order))
        blocks = _blocks(least[2], order)
        summary = f"free blocks of {1 << order} pages or more: {blocks} on node{least[1]}"
        evidence = (_buddy_evidence(sample, each) for each in least[2])
        yield case.finding("ok", blocks, summary, *evidence, basis=INSTANT)


def _kernel_zones(zones: Tuple[BuddyZone, ...]) -> Dict[int, List[BuddyZone]]:
    """Return of each node zone Normal and DMA32, or DMA if it has nothing else (it is 16 MiB on x86)."""
    nodes: Dict[int, List[BuddyZone]] = {}
    for zone in sorted(
        (zone for zone in zones if zone.zone in _KERNEL_ZONES),
        key=lambda zone: _KERNEL_ZONES.index(zone.zone),
    ):
        if zone.zone != "DMA" or zone.node not in nodes:
            nodes.setdefault(zone.node, []).append(zone)
    return nodes


def _blocks(zones: List[BuddyZone], order: int) -> int:
    return sum(zone.free_blocks_from(order) for zone in zones)


def _buddy_evidence(sample: Sample, zone: BuddyZone) -> Evidence:
    wanted = [f"{zone.node},".encode(), b"zone", zone.zone.encode()]
    for number, line in enumerate(sample.raw[_BUDDYINFO].split(b"\n"), 1):
        if line.split()[1:4] == wanted:
            return Evidence(_BUDDYINFO, number, line.decode("utf-8", "surrogateescape").strip())
    return Evidence(_BUDDYINFO, None, "")


class _Placed(NamedTuple):
    """Of the pages that were meant for a node in this window: how many there were, and went elsewhere."""

    node: NumaNode
    meant: int
    elsewhere: int
    seconds: float

    @property
    def pct(self) -> float:
        """The share that went elsewhere."""
        return 100 * self.elsewhere / self.meant if self.meant else 0.0


@check(
    "mem.numa",
    title="Memory taken from another NUMA node",
    formula=(
        "d(numa_foreign) / d(numa_hit + numa_foreign) of each node, "
        "judged from least_pages_per_s of d(numa_foreign) / s on"
    ),
    unit="%",
    thresholds={"warning_pct": 10, "least_pages_per_s": 1000},
    source="kdiag's own",
    because=(
        "The node is full, so what is meant for it comes from another: every access to it takes longer. "
        "Each such page is a numa_foreign here and a numa_miss there."
    ),
    next="kdiag snapshot --section numa",
)
def numa(case: Case) -> Iterator[Finding]:
    """Judge how many pages were meant for a node and had to be taken from another."""
    window = case.window
    nodes = window.after.numa_nodes
    if len(nodes) == 1:
        raise DoesNotApply("there is one NUMA node")
    if not nodes and window.after.absent(_NODES):
        raise DoesNotApply("this kernel knows of no NUMA nodes")
    if not nodes:
        raise CannotJudge(_NODES, window.after.why_missing(_NODES))
    placed = [_placed(case, node) for node in nodes]
    if not any(each.meant for each in placed):
        raise CannotJudge(
            _numastat(nodes[0]), "the counters stood still: vm.numa_stat is 0, or nothing was allocated"
        )
    judged = [(_numa_status(case, each), each) for each in placed]
    bad = [each for each in judged if each[0] != "ok"]
    free = _free_of_nodes(nodes)
    for status, each in bad[:_MAX_SUBJECTS]:
        yield case.finding(
            status,
            each.pct,
            f"{each.pct:.1f}% of the pages meant for this node came from another "
            f"({each.elsewhere / each.seconds:.0f} pages/s); free: {free}",
            *_numa_evidence(case, each),
            subject=f"node{each.node.node}",
        )
    if len(bad) > _MAX_SUBJECTS:
        rest = f"{len(bad) - _MAX_SUBJECTS} more nodes take memory from another"
        yield case.finding("warning", None, rest, Evidence(_NODES, None, ""))
    if not bad:
        worst = max(placed, key=lambda each: each.pct)
        summary = f"at most {worst.pct:.1f}% of the pages meant for a node came from another; free: {free}"
        yield case.finding("ok", worst.pct, summary, *_numa_evidence(case, worst))


def _placed(case: Case, node: NumaNode) -> _Placed:
    path = _numastat(node)
    hit = case.window.rate(path, "numa_hit", numa_pages(node.node, "numa_hit"))
    foreign = case.window.rate(path, "numa_foreign", numa_pages(node.node, "numa_foreign"))
    return _Placed(node, hit.delta + foreign.delta, foreign.delta, foreign.seconds)


def _numa_status(case: Case, placed: _Placed) -> str:
    if placed.elsewhere / placed.seconds < case.limit("least_pages_per_s"):
        return "ok"
    return case.above(placed.pct)


def _numa_evidence(case: Case, placed: _Placed) -> Tuple[Evidence, ...]:
    return lines_of(case.window.after, _numastat(placed.node), "numa_hit", "numa_foreign")


def _numastat(node: NumaNode) -> str:
    return f"{_NODES}/node{node.node}/numastat"


def _free_of_nodes(nodes: List[NumaNode]) -> str:
    """Return the range of the nodes' free shares, where an uneven one is seen at once."""
    shares = [
        (100 * node.meminfo.mem_free_kib / node.meminfo.mem_total_kib, f"node{node.node}")
        for node in nodes
        if node.meminfo is not None and node.meminfo.mem_total_kib and node.meminfo.mem_free_kib is not None
    ]
    if not shares:
        return "not known"
    (least, fullest), (most, emptiest) = min(shares), max(shares)
    return f"{least:.0f}% on {fullest} to {most:.0f}% on {emptiest}"


CHECKS = (fragmentation, numa)
