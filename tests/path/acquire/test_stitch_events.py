"""Which events are recorded."""

from typing import Dict, List

import pytest

from kdiag.path.acquire.stitch_events import GROUPS, TASK_EVENTS, choose_events, detail

HAS: Dict[str, List[str]] = {
    "kmem": ["kfree", "kmem_cache_alloc", "mm_page_alloc", "rss_stat"],
    "block": ["block_rq_issue", "block_touch_buffer", "blk_zone_wplug_bio"],
    "ext4": ["ext4_sync_file_enter"],
    "xfs": ["xfs_file_fsync", "xfs_perag_get"],
    "sched": ["sched_switch", "sched_waking", "sched_process_fork", "sched_stat_runtime"],
    "task": ["task_newtask", "task_rename"],
    "rcu": ["rcu_utilization"],
}


def chosen(*mounted: str) -> List[str]:
    return [f"{system}:{event}" for system, event in choose_events(lambda name: HAS.get(name, []), mounted)]


def test_file_systems_that_are_not_mounted_have_no_events() -> None:
    assert "ext4:ext4_sync_file_enter" in chosen("ext4", "proc")
    assert "ext4:ext4_sync_file_enter" not in chosen("proc")
    assert [each for each in chosen("xfs") if each.startswith("xfs")] == ["xfs:xfs_file_fsync"]


def test_what_says_the_same_everywhere_is_left_out() -> None:
    found = chosen("ext4")
    assert "kmem:kfree" in found and "block:block_rq_issue" in found
    assert not {
        "kmem:rss_stat",
        "block:block_touch_buffer",
        "block:blk_zone_wplug_bio",
        "rcu:rcu_utilization",
    } & set(found)


def test_events_of_tasks_are_chosen_by_themselves() -> None:
    found = chosen()
    assert not {f"{system}:{event}" for system, event in TASK_EVENTS} & set(found)
    assert "sched:sched_process_fork" in found and "sched:sched_stat_runtime" not in found


@pytest.mark.parametrize("group", GROUPS, ids=[f"{index}-{each.system}" for index, each in enumerate(GROUPS)])
def test_a_group_that_refuses_names_takes_the_others(group: object) -> None:
    words = group.events.split()  # type: ignore[attr-defined]
    assert words and (not words[0].startswith("!") or words[-1] == "*")


def test_a_slab_is_told_by_its_name() -> None:
    assert detail("kmem:kmem_cache_alloc", {"name": "filp", "bytes_req": 184}) == "filp"
    assert detail("kmem:kmem_cache_alloc", {"bytes_req": 184}) == ""
    assert detail("block:block_plug", {"comm": "dd"}) == ""
