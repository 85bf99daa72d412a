from typing import Dict, List, Optional, Tuple

from kdiag.health.checks import CHECKS
from kdiag.health.finding import Finding
from kdiag.health.observe import Plan, observe, watch
from kdiag.health.snapshot import Snapshot
from kdiag.health.tables import TABLES
from kdiag.host.memory import MemoryHost
from tests.health.overlay import Files, host_of, quiet_overlay, told

PLAN = Plan(CHECKS, TABLES, strict=True)
PRESSURE = "/proc/pressure/cpu"


def pressed(avg10: float) -> bytes:
    return b"some avg10=%.2f avg60=0.00 avg300=0.00 total=4000\n" % avg10


def moments(*changes: Dict[str, bytes], step_s: float = 1.0) -> MemoryHost:
    """Return the quiet host at as many moments, ``step_s`` apart, with what changes at each."""
    first, last = quiet_overlay().moments
    files: List[Files] = [dict(first if number == 0 else last) for number in range(len(changes))]
    for number, change in enumerate(changes):
        files[number]["/proc/uptime"] = b"%.2f 100.00\n" % (5000 + number * step_s)
        files[number].update(change)
    return host_of(quiet_overlay()._replace(moments=files, interval_s=step_s))


def of(snapshot: Snapshot, check_id: str) -> List[Finding]:
    return [finding for finding in snapshot.findings if finding.id == check_id]


def test_with_for_the_worst_interval_counts_and_is_said() -> None:
    host = moments({}, {}, {PRESSURE: pressed(45)}, {PRESSURE: pressed(41)}, {})
    snapshot = observe(host, PLAN._replace(for_s=4.0))
    (finding,) = of(snapshot, "cpu.psi")
    assert finding.status == "critical"
    assert finding.summary.endswith("; critical in 2 of 4 intervals")
    assert snapshot.exit_code == 2
    assert snapshot.duration_s == 4.0


def test_an_interval_that_could_not_be_judged_does_not_undo_the_verdict_over_the_whole() -> None:
    host = moments({}, {PRESSURE: b"garbage\n"}, {})
    (finding,) = of(observe(host, PLAN._replace(for_s=2.0)), "cpu.psi")
    assert finding.status == "ok"


def test_what_is_wrong_with_one_replaces_that_all_are_well() -> None:
    full = {PRESSURE: pressed(45)}
    snapshot = observe(moments({}, full, {}), PLAN._replace(for_s=2.0))
    for check_id in {finding.id for finding in snapshot.findings}:
        statuses = {finding.status for finding in of(snapshot, check_id)}
        assert not {"ok", "critical"} <= statuses and not {"ok", "warning"} <= statuses


def test_watch_yields_one_snapshot_for_every_interval_until_the_host_ends() -> None:
    seen = list(watch(moments({}, {}, {PRESSURE: pressed(45)}), PLAN))
    assert [snapshot.exit_code for snapshot in seen] == [0, 2]
    assert [snapshot.basis for snapshot in seen] == ["rate over 1.0 s"] * 2


def test_watch_ends_after_the_time_that_is_given() -> None:
    assert len(list(watch(moments({}, {}, {}, {}), PLAN._replace(for_s=2.0)))) == 2


def test_findings_come_worst_first_and_pressure_before_utilisation() -> None:
    host = moments({}, {PRESSURE: pressed(45), "/proc/sys/vm/swappiness": b"0\n"})
    statuses = [finding.status for finding in observe(host, PLAN).findings]
    order = ["critical", "warning", "unknown", "info", "ok"]
    assert statuses == sorted(statuses, key=order.index)
    assert statuses[0] == "critical"


def test_a_file_cut_off_in_the_first_reading_is_said_too() -> None:
    snapshot = observe(moments({"/proc/vmstat": b"nr_free_pages 1\npswpin 1"}, {}), PLAN)
    assert [problem.path for problem in snapshot.problems] == ["/proc/vmstat"]


def test_a_section_that_costs_more_is_filled_only_when_it_is_asked_for() -> None:
    def sections(asked: Optional[Tuple[str, ...]]) -> List[str]:
        return [table.section for table in observe(moments({}, {}), PLAN._replace(sections=asked)).tables]

    assert "slab" not in sections(None)
    assert sections(("slab",)) == ["slab"]
    assert sections(()) == []


def test_a_quiet_host_stays_quiet_however_long_it_is_watched() -> None:
    assert told(observe(moments({}, {}, {}, {}), PLAN._replace(for_s=3.0)).findings) == []


def test_after_a_reboot_the_time_between_the_readings_is_not_the_uptime() -> None:
    host = moments({}, {"/proc/sys/kernel/random/boot_id": b"ffffffff-6c0e-4b7e-9d57-2f1b5f0a4c11\n"})
    snapshot = observe(host, PLAN)
    assert snapshot.duration_s is None
    assert any("rebooted" in note for note in snapshot.notes)


def test_an_interval_shorter_than_any_rest_is_still_taken() -> None:
    host = moments({}, {}, step_s=0.05)
    assert observe(host, PLAN._replace(interval_s=0.05)).basis == "rate over 0.05 s"


def test_time_that_reading_takes_counts_as_time_that_was_watched() -> None:
    def slow() -> MemoryHost:
        return moments({}, {}, {}, {}, {}, step_s=3.0)  # three times as long as it was to sleep

    assert observe(slow(), PLAN._replace(for_s=4.0)).duration_s == 6.0
    assert len(list(watch(slow(), PLAN._replace(for_s=4.0)))) == 2
