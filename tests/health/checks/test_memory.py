from typing import Dict

import pytest

from kdiag.health.check import judge
from kdiag.health.checks import CHECKS
from kdiag.health.checks.memory import CHECKS as MEMORY_CHECKS
from kdiag.health.finding import Finding
from kdiag.host.memory import Content
from tests.health.checks.verdicts import findings, not_applicable, only
from tests.health.overlay import quiet_files
from tests.health.windows import BARE_FACTS, window_of

MEMINFO, SWAPS, VMSTAT, ZONEINFO = "/proc/meminfo", "/proc/swaps", "/proc/vmstat", "/proc/zoneinfo"


def edited(path: str, changes: Dict[str, int], last: bool = True) -> Dict[str, Content]:
    """Return a file of the quiet host with other numbers for some keys."""
    content = quiet_files()[last][path]
    assert isinstance(content, bytes)
    lines = content.decode().split("\n")
    for key, number in changes.items():
        (place,) = [index for index, line in enumerate(lines) if line.split(None, 1)[:1] == [key]]
        lines[place] = f"{key} {number}" + (" kB" if key.endswith(":") else "")
    return {path: "\n".join(lines).encode()}


def test_available_memory_is_said_in_per_cent_and_mib_with_its_lines() -> None:
    finding = only(window_of(), "mem.available")
    assert finding.summary == "98.7% of memory is available: 23802 MiB of 24106 MiB"
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/proc/meminfo:3 MemAvailable:   24372780 kB",
        "/proc/meminfo:1 MemTotal:       24684092 kB",
    ]
    assert finding.basis == "instant"


def test_an_estimate_says_so_and_shows_what_it_was_made_of() -> None:
    meminfo = b"".join(
        line + b"\n"
        for line in edited(MEMINFO, {})[MEMINFO].split(b"\n")[:-1]  # type: ignore[union-attr]
        if not line.startswith(b"MemAvailable")
    )
    finding = only(window_of(last={MEMINFO: meminfo}), "mem.available")
    assert finding.status == "ok"
    assert finding.summary.endswith("(an estimate, as this kernel has no MemAvailable)")
    assert [each.raw.split()[0] for each in finding.evidence] == [
        "MemTotal:",
        "MemFree:",
        "Active(file):",
        "Inactive(file):",
        "SReclaimable:",
        "low",
    ]


@pytest.mark.parametrize(
    ("available_kib", "status"),
    [(2_468_410, "ok"), (2_468_409, "warning"), (1_234_205, "warning"), (1_234_204, "critical")],
)
def test_available_memory_is_judged_under_10_and_under_5_per_cent(available_kib: int, status: str) -> None:
    assert (
        only(window_of(last=edited(MEMINFO, {"MemAvailable:": available_kib})), "mem.available").status
        == status
    )


def test_thresholds_of_a_site_take_the_place_of_ours() -> None:
    window = window_of(last=edited(MEMINFO, {"MemAvailable:": 2_000_000}))
    assert only(window, "mem.available", {"mem.available": {"warning_pct": 8.0}}).status == "ok"


def test_low_free_memory_is_explained_and_never_worse_than_ok() -> None:
    window = window_of(last=edited(MEMINFO, {"MemFree:": 240_000, "MemAvailable:": 12_000_000}))
    finding = only(window, "mem.free_note")
    assert finding.status == "ok"
    assert finding.summary == (
        "1.0% of memory is free, 48.6% is available (low free memory is normal: the rest of it is cache)"
    )


def test_low_free_memory_is_not_excused_if_little_is_available() -> None:
    window = window_of(last=edited(MEMINFO, {"MemFree:": 240_000, "MemAvailable:": 2_000_000}))
    assert not_applicable(window, "mem.free_note") == (
        "little memory is free, and little is available: mem.available judges that"
    )


@pytest.mark.parametrize("check_id", ["mem.swap_used", "mem.swap_io"])
def test_a_host_without_swap_has_no_swap_to_judge(check_id: str) -> None:
    changes = edited(MEMINFO, {"SwapTotal:": 0, "SwapFree:": 0})
    changes[SWAPS] = b"Filename\tType\tSize\tUsed\tPriority\n"
    assert not_applicable(window_of(last=changes), check_id) == "there is no swap area"


def test_swap_names_the_area_that_it_speaks_of() -> None:
    finding = only(window_of(), "mem.swap_used")
    assert finding.summary == "swap is used to 0.0%: 0.0 MiB of 2048 MiB"
    assert [str(each) for each in finding.evidence] == ["/proc/swaps:2"]


def test_swapping_is_counted_in_pages_so_an_unknown_page_size_does_no_harm() -> None:
    window = window_of(last=edited(VMSTAT, {"pswpin": 3, "pswpout": 4}), facts=BARE_FACTS)
    finding = only(window, "mem.swap_io")
    assert (finding.status, finding.value, finding.unit) == ("warning", 7.0, "pages/s")
    assert [each.raw for each in finding.evidence] == ["pswpin 3", "pswpout 4"]


def test_a_rate_over_a_short_window_says_that_it_is_rough() -> None:
    finding = only(window_of(last=edited(VMSTAT, {"pgmajfault": 2037}), interval_s=0.5), "mem.majfault")
    assert finding.value == 200.0
    assert finding.summary == (
        "200 page faults/s read from a disk "
        "(rough over 0.5 s, as the kernel adds up these counts once a second)"
    )


@pytest.mark.parametrize("check_id", ["mem.swap_io", "mem.majfault", "mem.direct_reclaim"])
def test_averages_since_boot_are_never_judged(check_id: str) -> None:
    swapped = edited(
        VMSTAT, {"pswpin": 10**9, "pgmajfault": 10**9, "pgscan_direct": 10**9, "pgscan_anon": 10**9}
    )
    swapped[SWAPS] = b"Filename\tType\n/dev/zram0 partition 2097148 0 100\n"
    for changes in ({}, swapped):
        finding = only(window_of(last=changes, once=True), check_id)
        assert (finding.status, finding.basis) == ("unknown", "since boot")


def test_oom_kills_of_the_past_are_told_from_one_reading_too() -> None:
    finding = only(window_of(last=edited(VMSTAT, {"oom_kill": 1}), once=True), "mem.oom_kill")
    assert (finding.status, finding.basis) == ("info", "instant")
    assert finding.summary == "the OOM killer killed 1 task since boot"
    assert only(window_of(once=True), "mem.oom_kill").status == "ok"


def test_a_kernel_that_does_not_count_oom_kills_is_unknown() -> None:
    finding = only(window_of({VMSTAT: b"pgfault 1\n"}, {VMSTAT: b"pgfault 2\n"}), "mem.oom_kill")
    assert finding.status == "unknown"
    assert finding.because == (
        "/proc/vmstat: oom_kill is not in it: this kernel counts no OOM kills, its log names them"
    )


def test_direct_reclaim_is_a_share_of_what_is_scanned_for_the_host() -> None:
    grown = {"pgscan_kswapd": 600, "pgscan_direct": 300, "pgscan_khugepaged": 100, "allocstall_dma": 30}
    finding = only(window_of(last=edited(VMSTAT, {**grown, "pgscan_file": 9000})), "mem.direct_reclaim")
    assert (finding.status, finding.value) == ("warning", 30.0)
    assert finding.summary == (
        "tasks that want memory looked at 30% of the 1000 pages/s looked at for reclaim; "
        "30 allocations/s had to wait for that"
    )


def test_scans_by_zone_are_judged_as_well() -> None:
    # 3.10
    first = b"pgscan_kswapd_normal 9\npgscan_direct_dma32 5\npgscan_direct_normal 6\nallocstall 7\n"
    last = b"pgscan_kswapd_normal 809\npgscan_direct_dma32 55\npgscan_direct_normal 156\nallocstall 67\n"
    finding = only(window_of({VMSTAT: first}, {VMSTAT: last}), "mem.direct_reclaim")
    assert (finding.status, finding.value) == ("warning", 20.0)
    assert [each.raw for each in finding.evidence] == [
        "pgscan_direct_normal 156",
        "pgscan_kswapd_normal 809",
        "allocstall 67",
    ]


def zones(count: int, free: int) -> bytes:
    return b"".join(
        b"Node %d, zone   Normal\n  pages free     %d\n        min      100\n        low      125\n"
        b"        managed  99999\n" % (node, free)
        for node in range(count)
    )


def test_the_zone_that_is_nearest_to_its_watermark_is_named_with_its_own_lines() -> None:
    finding = only(window_of(), "mem.watermark")
    assert finding.summary == (
        "every zone is above its low watermark; node0/DMA32 is nearest, with 772917 pages free (low 16770)"
    )
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/proc/zoneinfo:100 pages free 772917",
        "/proc/zoneinfo:102 min 13416",
        "/proc/zoneinfo:103 low 16770",
    ]


def test_many_zones_under_their_watermarks_are_summed_up() -> None:
    found = findings(window_of(last={ZONEINFO: zones(23, 90)}), "mem.watermark")
    assert [each.status for each in found] == ["warning"] * 21
    assert (found[0].subject, found[19].subject, found[20].subject) == ("node0/Normal", "node19/Normal", "")
    assert found[20].summary == "3 more zones are under a watermark"
    assert [f"{each} {each.raw}" for each in found[1].evidence] == [
        "/proc/zoneinfo:7 pages free 90",
        "/proc/zoneinfo:8 min 100",
        "/proc/zoneinfo:9 low 125",
    ]


def test_a_zone_of_a_kernel_without_managed_pages_is_judged_by_those_present() -> None:
    # 2.6.32
    old = zones(1, 110).replace(b"managed", b"present")
    assert only(window_of(last={ZONEINFO: old}), "mem.watermark").status == "info"


@pytest.mark.parametrize("path", [MEMINFO, SWAPS, VMSTAT, ZONEINFO, "/proc/pressure/memory"])
@pytest.mark.parametrize("content", [13, 2, b"", b"\xff\x00 nonsense\n"])
def test_no_damage_to_a_file_breaks_a_check_or_leaves_an_ok_without_a_line_that_shows_it(
    path: str, content: Content
) -> None:
    whole = quiet_files()[1][path]
    assert isinstance(whole, bytes)
    for damaged in (content, whole[: len(whole) // 2]):
        for window in (
            window_of({path: damaged}, {path: damaged}),
            window_of({path: damaged}),
            window_of(last={path: damaged}, once=True),
        ):
            verdicts = judge(window, CHECKS, strict=True)
            for each in verdicts:
                if isinstance(each, Finding) and each.id in {check.id for check in MEMORY_CHECKS}:
                    assert each.status != "ok" or all(line.raw for line in each.evidence)
