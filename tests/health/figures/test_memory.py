from typing import Dict, Mapping, Optional

import pytest

from kdiag.health.figures.memory import (
    Available,
    SwapUse,
    available_memory,
    folding_note,
    hugetlb_kib,
    lines_of,
    swap_use,
    vmstat_rate,
)
from kdiag.health.finding import Evidence
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Rate
from kdiag.host.base import Facts
from kdiag.host.memory import Content
from kdiag.procfs.meminfo import parse_meminfo
from kdiag.procfs.vmstat import VmStat
from tests.health.windows import BARE_FACTS, QUIET_FACTS, window_of

MEMINFO, SWAPS, VMSTAT, ZONEINFO = "/proc/meminfo", "/proc/swaps", "/proc/vmstat", "/proc/zoneinfo"

# 3.10: no MemAvailable.
OLD = b"""\
MemTotal:       16268040 kB
MemFree:          402116 kB
Active(file):    3909420 kB
Inactive(file):  8043004 kB
SReclaimable:     912404 kB
"""
#: 20000 pages of low watermarks.
MARKS = b"""\
Node 0, zone    DMA32
  pages free     60000
        low      5000
Node 0, zone   Normal
  pages free     40529
        low      15000
"""
ZRAM = b"""\
Filename				Type		Size		Used		Priority
/dev/zram0                              partition	4194300		1000		100
/dev/zram1                              partition	4194300		24		100
/dev/vdc                                partition	2097148		5		-2
/swap\\040file                           file		1048576		7		-3
"""


def sample_of(changes: Mapping[str, Content], facts: Facts = QUIET_FACTS) -> Sample:
    return window_of(changes, changes, facts=facts).after


def why_not(changes: Dict[str, Content], facts: Facts = QUIET_FACTS) -> str:
    with pytest.raises(CannotJudge) as caught:
        available_memory(sample_of(changes, facts))
    return str(caught.value)


def test_the_kernels_own_figure_is_taken() -> None:
    assert available_memory(sample_of({})) == Available(24372780, 24684092, "")
    assert f"{available_memory(sample_of({})).pct:.2f}" == "98.74"


def test_without_it_available_memory_is_worked_out_as_the_kernel_does() -> None:
    low = 20_000 * 4
    cache, slab = 3909420 + 8043004, 912404
    wanted = 402116 - low + (cache - low) + (slab - low)
    assert available_memory(sample_of({MEMINFO: OLD, ZONEINFO: MARKS})) == Available(
        wanted, 16268040, "an estimate, as this kernel has no MemAvailable"
    )


def test_half_of_little_cache_and_slab_is_taken_to_stay() -> None:
    little = b"MemTotal: 1000000 kB\nMemFree: 90000 kB\nActive(file): 7 kB\nInactive(file): 4 kB\n"
    available = available_memory(sample_of({MEMINFO: little + b"SReclaimable: 9 kB\n", ZONEINFO: MARKS}))
    assert available.kib == 90000 - 80000 + (11 - 5) + (9 - 4)


def test_an_estimate_is_never_negative() -> None:
    none = b"MemTotal: 1000000 kB\nMemFree: 900 kB\nActive(file): 0 kB\nInactive(file): 0 kB\n"
    assert available_memory(sample_of({MEMINFO: none + b"SReclaimable: 0 kB\n", ZONEINFO: MARKS})).kib == 0


def test_larger_pages_make_larger_watermarks() -> None:
    facts = QUIET_FACTS._replace(page_size_bytes=65536)
    changes: Dict[str, Content] = {MEMINFO: OLD, ZONEINFO: MARKS}
    small, large = available_memory(sample_of(changes)), available_memory(sample_of(changes, facts))
    # Three times the marks: from free, from cache, and from slab where half of it is less.
    assert small.kib - large.kib == 2 * 20_000 * 60 + (912404 // 2 - 20_000 * 4)


def test_a_figure_of_0_is_believed_only_if_little_is_free() -> None:
    much = {MEMINFO: OLD.replace(b"402116", b"9402116") + b"MemAvailable: 0 kB\n", ZONEINFO: MARKS}
    little = {MEMINFO: OLD + b"MemAvailable: 0 kB\n", ZONEINFO: MARKS}
    assert available_memory(sample_of(much)).note == "an estimate, as MemAvailable is 0 while much is free"
    assert available_memory(sample_of(little)) == Available(0, 16268040, "")


def test_more_available_than_there_is_shows_a_containers_view() -> None:
    assert why_not({MEMINFO: b"MemTotal: 4194304 kB\nMemAvailable: 24372780 kB\n"}) == (
        "/proc/meminfo: MemAvailable (24372780 kB) is larger than MemTotal (4194304 kB): a container's view, "
        "which mixes its own limit with the host's memory"
    )


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({MEMINFO: 13}, QUIET_FACTS, "/proc/meminfo: not permitted (EACCES)"),
        ({MEMINFO: b"MemFree: 5 kB\n"}, QUIET_FACTS, "/proc/meminfo: MemTotal is not in it"),
        ({MEMINFO: b"MemTotal: 0 kB\n"}, QUIET_FACTS, "/proc/meminfo: MemTotal is 0"),
        ({MEMINFO: OLD, ZONEINFO: 13}, QUIET_FACTS, "/proc/zoneinfo: not permitted (EACCES)"),
        ({MEMINFO: OLD, ZONEINFO: b""}, QUIET_FACTS, "/proc/zoneinfo: could not be read (it is empty)"),
        (
            {MEMINFO: OLD},
            BARE_FACTS,
            "/proc/zoneinfo: the page size is not known, so its watermarks are not",
        ),
        (
            {MEMINFO: b"MemTotal: 9 kB\nMemFree: 5 kB\n"},
            QUIET_FACTS,
            "/proc/meminfo: Active(file) is not in it",
        ),
    ],
)
def test_what_is_missing_is_named(changes: Dict[str, Content], facts: Facts, reason: str) -> None:
    assert why_not(changes, facts) == reason


@pytest.mark.parametrize(
    ("text", "size_kib"),
    [
        (b"HugePages_Total: 4\nHugepagesize: 2048 kB\nHugetlb: 1056768 kB\n", 1056768),
        (b"HugePages_Total: 4\nHugepagesize: 2048 kB\n", 8192),
        (b"HugePages_Total: 4\n", None),
        (b"MemTotal: 4 kB\n", None),
    ],
)
def test_huge_pages_of_all_sizes_count_or_those_of_the_default_size(
    text: bytes, size_kib: Optional[int]
) -> None:
    assert hugetlb_kib(parse_meminfo(text)) == size_kib


def test_zram_is_apart_from_other_swap() -> None:
    disk, zram = swap_use(sample_of({SWAPS: ZRAM}))
    assert disk == SwapUse(("/dev/vdc", "/swap file"), 3145724, 12)
    assert zram == SwapUse(("/dev/zram0", "/dev/zram1"), 8388600, 1024)


def test_meminfo_tells_of_swap_if_swaps_does_not() -> None:
    assert swap_use(sample_of({SWAPS: 13})) == (SwapUse((), 2097148, 0), SwapUse((), 0, 0))
    with pytest.raises(CannotJudge, match="SwapTotal is not in it"):
        swap_use(sample_of({SWAPS: 13, MEMINFO: b"MemTotal: 4 kB\n"}))


def test_no_swap_is_a_size_of_0() -> None:
    changes: Dict[str, Content] = {SWAPS: ZRAM.split(b"\n")[0] + b"\n"}
    changes[MEMINFO] = b"SwapTotal: 0 kB\nSwapFree: 0 kB\n"
    assert swap_use(sample_of(changes)) == (SwapUse((), 0, 0), SwapUse((), 0, 0))


def test_a_rate_of_vmstat_goes_by_the_time_between_the_readings() -> None:
    def kills(vmstat: VmStat) -> Optional[int]:
        return vmstat.oom_kill

    window = window_of({VMSTAT: b"oom_kill 3\n"}, {VMSTAT: b"oom_kill 8\n"}, interval_s=2.0)
    assert vmstat_rate(window, "oom_kill", kills) == Rate(2.5, 5, 2.0)
    with pytest.raises(CannotJudge, match="oom_kill is not in it"):
        vmstat_rate(window_of(last={VMSTAT: b"pgfault 3\n"}), "oom_kill", kills)
    with pytest.raises(CannotJudge, match="not permitted"):
        vmstat_rate(window_of({VMSTAT: 13}), "oom_kill", kills)


def test_rates_over_less_than_the_kernels_own_step_are_called_rough() -> None:
    assert folding_note(window_of(interval_s=0.5)) == (
        "rough over 0.5 s, as the kernel adds up these counts once a second"
    )
    assert folding_note(window_of(interval_s=0.95)) == ""
    assert folding_note(window_of(once=True)) == ""


def test_evidence_is_the_lines_that_are_there_or_else_the_file() -> None:
    sample = sample_of({VMSTAT: b"pgfault 1\noom_kill 3\n"})
    assert lines_of(sample, VMSTAT, "oom_kill", "allocstall", "pgfault") == (
        Evidence(VMSTAT, 2, "oom_kill 3"),
        Evidence(VMSTAT, 1, "pgfault 1"),
    )
    assert lines_of(sample, VMSTAT, "allocstall") == (Evidence(VMSTAT, None, ""),)
