from typing import Dict

import pytest

from kdiag.health.check import judge
from kdiag.health.checks import CHECKS
from kdiag.health.checks.memory_state import CHECKS as STATE_CHECKS
from kdiag.health.finding import Finding
from kdiag.host.memory import Content
from tests.health.checks.verdicts import findings, not_applicable, only
from tests.health.overlay import quiet_files
from tests.health.windows import window_of

MEMINFO, VMSTAT = "/proc/meminfo", "/proc/vmstat"
EDAC, SYSCTL = "/sys/devices/system/edac/mc", "/proc/sys/vm"


def dirty(pages: int, written: int = 0) -> Dict[str, Content]:
    return {
        VMSTAT: b"nr_dirty %d\nnr_writeback 10\nnr_dirty_background_threshold 1000\nnr_dirty_threshold 2000\n"
        b"nr_written %d\n" % (pages - 10, written)
    }


@pytest.mark.parametrize(("mode", "told"), [(b"0\n", 0), (b"1\n", 1)])
def test_the_commit_limit_is_not_judged_where_it_does_not_bind(mode: bytes, told: int) -> None:
    window = window_of(last={f"{SYSCTL}/overcommit_memory": mode})
    assert (
        not_applicable(window, "mem.commit") == f"vm.overcommit_memory is {told}: CommitLimit does not bind"
    )


@pytest.mark.parametrize(("pages", "status"), [(1500, "ok"), (1501, "warning"), (1899, "warning")])
def test_writers_are_slowed_down_beyond_the_mean_of_both_thresholds(pages: int, status: str) -> None:
    assert only(window_of(last=dirty(pages)), "mem.dirty").status == status


def test_dirty_memory_is_a_share_of_the_limit_in_force() -> None:
    finding = only(window_of(last=dirty(500)), "mem.dirty")
    assert (finding.value, finding.basis) == (25.0, "instant")
    assert finding.summary == "500 pages are dirty or being written, 25.0% of the limit: writers run freely"


def test_dirty_memory_that_does_not_drain_needs_two_readings() -> None:
    finding = only(window_of(last=dirty(1200, written=10**6), once=True), "mem.dirty_stuck")
    assert (finding.status, finding.basis) == ("unknown", "since boot")
    assert only(window_of(last=dirty(900), once=True), "mem.dirty_stuck").status == "ok"


@pytest.mark.parametrize(("written", "status"), [(31, "warning"), (32, "ok")])
def test_dirty_memory_drains_from_32_pages_a_second_on(written: int, status: str) -> None:
    assert only(window_of(dirty(1200), dirty(1300, written)), "mem.dirty_stuck").status == status


def test_errors_of_each_memory_controller_are_told_apart() -> None:
    counts: Dict[str, Content] = {
        f"{EDAC}/mc0/ce_count": b"3\n",
        f"{EDAC}/mc0/ue_count": b"0\n",
        f"{EDAC}/mc1/ce_count": b"0\n",
        f"{EDAC}/mc1/ue_count": b"1\n",
    }
    found = findings(window_of(last=counts), "mem.hwpoison")
    assert [(each.status, each.subject, each.value) for each in found] == [
        ("warning", "mc0", 3),
        ("critical", "mc1", 1),
    ]
    assert found[0].summary == "3 corrected memory errors were counted since the driver was loaded"
    assert [str(each) for each in found[0].evidence] == [f"{EDAC}/mc0/ce_count:1"]


def test_a_host_that_counts_no_memory_errors_has_none_to_judge() -> None:
    assert not_applicable(window_of(), "mem.hwpoison") == (
        "no driver counts memory errors here, and the kernel takes no page out of use"
    )


def test_a_kernel_that_takes_pages_out_of_use_says_so_if_it_took_none() -> None:
    quiet = quiet_files()[1][MEMINFO]
    assert isinstance(quiet, bytes)
    finding = only(window_of(last={MEMINFO: quiet + b"HardwareCorrupted:     0 kB\n"}), "mem.hwpoison")
    assert finding.status == "ok"
    assert finding.summary == "no page was taken out of use, but no driver counts errors"


def test_without_huge_pages_there_are_none_to_judge() -> None:
    reason = "no memory is set apart for huge pages"
    assert not_applicable(window_of(), "mem.hugepages") == reason
    without = {MEMINFO: b"MemTotal: 9 kB\nMemAvailable: 5 kB\n"}
    assert not_applicable(window_of(last=without), "mem.hugepages") == reason


def test_a_broken_line_leaves_huge_pages_unknown() -> None:
    broken = {MEMINFO: b"MemTotal: 9 kB\nMemAvailable: 5 kB\nHugetlb: 5"}
    assert only(window_of(last=broken), "mem.hugepages").status == "unknown"


def test_settings_are_shown_with_their_values() -> None:
    finding = only(window_of(), "mem.config")
    assert finding.summary == (
        "min_free_kbytes 67584, vfs_cache_pressure 100, zone_reclaim_mode 0, panic_on_oom 0, swappiness 60"
    )


def test_swappiness_is_explained_as_a_balance() -> None:
    finding = only(window_of(last={f"{SYSCTL}/swappiness": b"0\n"}), "mem.config")
    assert (finding.status, finding.subject) == ("info", "vm.swappiness")
    assert finding.because.startswith("It is a balance from 0 to 200")
    assert finding.next == "sysctl vm.swappiness"


def test_without_any_setting_nothing_is_said_to_be_well() -> None:
    names = ("min_free_kbytes", "vfs_cache_pressure", "zone_reclaim_mode", "panic_on_oom", "swappiness")
    gone: Dict[str, Content] = {f"{SYSCTL}/{name}": 2 for name in names}
    assert only(window_of(last=gone), "mem.config").status == "unknown"


def test_no_next_step_reads_a_file_that_acts_when_it_is_read() -> None:
    for check in STATE_CHECKS:
        assert "/proc/sys/vm/*" not in check.next
        assert "stat_refresh" not in check.next


@pytest.mark.parametrize("path", [MEMINFO, VMSTAT, f"{SYSCTL}/swappiness", f"{SYSCTL}/overcommit_memory"])
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
            for each in judge(window, CHECKS, strict=True):
                if isinstance(each, Finding) and each.id in {check.id for check in STATE_CHECKS}:
                    assert each.status in ("ok", "unknown")
                    assert each.status != "ok" or all(line.raw for line in each.evidence)
