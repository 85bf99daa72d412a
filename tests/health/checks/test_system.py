"""What is said of taints, and of what this reader cannot see or trust."""

from typing import Dict, List

import pytest

from kdiag.health.check import judge
from kdiag.health.checks.system import CHECKS, TAINTS, Taint
from kdiag.health.finding import Finding
from kdiag.health.snapshot import Snapshot
from kdiag.host.base import Facts
from kdiag.host.memory import Content
from tests.health.overlay import OVERLAYS, read_overlay, snapshot_of
from tests.health.task_files import changed, found
from tests.health.windows import BARE_FACTS, QUIET_FACTS, window_of

TAINTED = "/proc/sys/kernel/tainted"


def only(snapshot: Snapshot, check_id: str) -> Finding:
    (finding,) = found(snapshot, check_id)
    return finding


def of_overlay(name: str) -> Dict[str, Finding]:
    snapshot = snapshot_of(read_overlay(OVERLAYS / "sys.view" / f"{name}.txt"))
    return {finding.subject: finding for finding in found(snapshot, "sys.view")}


def taint(value: int) -> Finding:
    return only(changed({TAINTED: b"%d\n" % value}), "sys.taint")


def test_the_table_of_taints_has_each_documented_bit_once() -> None:
    assert [each.bit for each in TAINTS] == list(range(19))
    assert "".join(each.letter for each in TAINTS) == "PFSRMBUDAWCIOELKXTN"
    assert {each.letter: each.status for each in TAINTS if each.status != "info"} == {
        "F": "warning",
        "R": "warning",
        "W": "warning",
        "M": "critical",
        "B": "critical",
        "D": "critical",
        "L": "critical",
    }


def test_all_taints_are_named_in_one_finding_that_is_as_bad_as_the_worst() -> None:
    # 4609 is the example of tainted-kernels.rst.
    finding = taint(4609)
    assert (finding.status, finding.value) == ("warning", 4609)
    assert finding.summary == (
        "tainted: P: proprietary module was loaded; W: kernel issued warning; "
        "O: externally-built (out-of-tree) module was loaded"
    )
    assert [f"{each} {each.raw}" for each in finding.evidence] == ["/proc/sys/kernel/tainted:1 4609"]


@pytest.mark.parametrize("each", TAINTS, ids=lambda each: each.letter)
def test_each_taint_alone_has_its_own_status(each: Taint) -> None:
    assert taint(1 << each.bit).status == each.status


def test_a_bit_that_no_document_names_is_told_by_its_number() -> None:
    finding = taint(1 << 19 | 1 << 63)
    assert finding.status == "info"
    assert finding.summary == "tainted: bit 19 (not known to kdiag); bit 63 (not known to kdiag)"


def test_a_site_can_say_which_taints_it_lives_with() -> None:
    window = window_of(last={TAINTED: b"512\n"})
    (lenient, _) = judge(window, CHECKS, {"sys.taint": {"warning_mask": 0, "critical_mask": 128}})
    assert isinstance(lenient, Finding)
    assert lenient.status == "info"


def test_pressure_that_is_off_is_told_only_if_all_of_it_is() -> None:
    paths = [f"/proc/pressure/{name}" for name in ("cpu", "memory", "io")]
    off: Dict[str, Content] = dict.fromkeys(paths, 95)
    assert [finding.subject for finding in found(changed(off), "sys.view")] == ["pressure"]
    one_denied = {**off, paths[0]: 13}
    assert [finding.status for finding in found(changed(one_denied), "sys.view")] == ["ok"]


def test_threads_out_of_sight_are_counted_with_the_option_that_hides_them() -> None:
    finding = of_overlay("hidepid")["tasks"]
    assert finding.summary == "2 of 118 threads are in sight (/proc is mounted with hidepid=invisible)"
    assert [str(each) for each in finding.evidence] == ["/proc/loadavg:1", "/proc/self/mountinfo:2"]


@pytest.mark.parametrize(("total", "statuses"), [(147, ["ok"]), (148, ["info"])])
def test_a_few_threads_more_or_less_are_no_partial_view(total: int, statuses: List[str]) -> None:
    snapshot = changed({"/proc/loadavg": b"0.07 0.03 0.01 1/%d 1800\n" % total})
    assert [finding.status for finding in found(snapshot, "sys.view")] == statuses


def test_a_proc_that_hides_nothing_from_this_reader_is_not_told() -> None:
    mounts = b"22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw,hidepid=invisible\n"
    assert [each.status for each in found(changed({"/proc/self/mountinfo": mounts}), "sys.view")] == ["ok"]


def test_a_container_is_told_by_its_root_and_its_missing_kernel_threads() -> None:
    told = of_overlay("container")
    assert told["container"].summary == (
        "this looks like a container (its root is an overlay, no kernel thread)"
    )
    assert told["container"].next.endswith("kdiag snapshot --root /host")


def test_lxcfs_explains_why_files_do_not_agree_and_so_that_is_not_told_too() -> None:
    told = of_overlay("lxcfs")
    assert list(told) == ["lxcfs"]
    assert told["lxcfs"].summary == "lxcfs stands in for /proc/meminfo, /proc/stat"


def test_files_that_do_not_agree_are_told_with_both_numbers_and_lines() -> None:
    finding = of_overlay("unlike_files")["files"]
    assert finding.summary == (
        "files of this host do not agree: MemFree is 24409348 KiB, nr_free_pages makes 3618768 KiB; "
        "MemTotal is 24684092 KiB, that of all nodes 3893460 KiB; "
        "SwapTotal is 2097148 KiB, all swap areas have 0 KiB; 4 CPUs are online, /proc/stat has 2"
    )
    assert [str(each) for each in finding.evidence] == [
        "/proc/meminfo:2",
        "/proc/vmstat:1",
        "/proc/meminfo:1",
        "/sys/devices/system/node/node0/meminfo:1",
        "/proc/meminfo:15",
        "/proc/swaps:1",
        "/sys/devices/system/cpu/online:1",
        "/proc/stat:1",
    ]


def view_of(facts: Facts, files: Dict[str, Content]) -> List[str]:
    window = window_of(files, files, facts=facts)
    return [
        verdict.subject
        for verdict in judge(window, CHECKS)
        if isinstance(verdict, Finding) and verdict.id == "sys.view" and verdict.status == "info"
    ]


def test_a_user_without_privileges_is_told_what_stays_hidden() -> None:
    assert view_of(QUIET_FACTS._replace(reader_euid=1000), {}) == ["privileges"]
    assert view_of(QUIET_FACTS, {}) == []


def test_a_bare_copy_tells_neither_the_reader_nor_the_page_size_and_is_not_doubted_for_that() -> None:
    assert view_of(BARE_FACTS, {"/proc/vmstat": b"nr_free_pages 1\n"}) == []


def test_cpus_of_the_same_number_that_are_others_do_not_agree() -> None:
    files: Dict[str, Content] = {"/sys/devices/system/cpu/online": b"2-3\n"}
    assert only(changed(files), "sys.view").summary.endswith("2 CPUs are online, /proc/stat has 2, others")


def test_a_node_whose_memory_is_not_known_leaves_the_sum_open() -> None:
    second = "/sys/devices/system/node/node1"
    halves: Dict[str, Content] = {
        "/sys/devices/system/node/node0/meminfo": b"Node 0 MemTotal: 12342046 kB\n",
        f"{second}/numastat": b"numa_hit 1\nnuma_miss 0\n",
    }
    assert view_of(QUIET_FACTS, {**halves, f"{second}/meminfo": b"Node 1 MemTotal: 12342046 kB\n"}) == []
    assert view_of(QUIET_FACTS, {**halves, f"{second}/meminfo": 13}) == []
    assert view_of(QUIET_FACTS, {**halves, f"{second}/meminfo": b"Node 1 MemTotal: 1000 kB\n"}) == ["files"]


def test_a_file_that_is_missing_agrees_with_everything() -> None:
    gone: Dict[str, Content] = {"/proc/swaps": 2, "/proc/vmstat": 2, "/sys/devices/system/cpu/online": 2}
    assert [each.status for each in found(changed(gone), "sys.view")] == ["ok"]
