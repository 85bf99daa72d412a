from kdiag.procfs.cgroup_memory import MemoryEvents, parse_cgroup_memory_stat, parse_memory_events
from kdiag.procfs.limit import Limit
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

V1_6_18 = b"""\
cache 9310208
rss 6758400
inactive_file 0
unevictable 1
hierarchical_memory_limit 9223372036854771712
total_cache 38600704
total_rss 11952128
total_shmem 9068544
total_dirty 65536
total_writeback 4096
total_workingset_refault_file 24333
total_pgfault 848137
total_pgmajfault 413
total_inactive_anon 4952064
total_active_anon 1564672
total_inactive_file 13897728
total_active_file 15634432
total_unevictable 14295040
"""
# The keys of v2 as cgroup-v2.rst has them.
V2 = b"""\
anon 11952128
file 38600704
kernel 2048000
shmem 9068544
file_dirty 65536
file_writeback 4096
inactive_anon 4952064
active_anon 1564672
inactive_file 13897728
active_file 15634432
unevictable 14295040
workingset_refault_anon 5
workingset_refault_file 24333
pgfault 848137
pgmajfault 413
"""
EVENTS_V2 = b"low 0\nhigh 12\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"


def test_v1_and_v2_say_the_same_under_the_same_names() -> None:
    for data in (V1_6_18, V2):
        parsed = parse_cgroup_memory_stat(data)
        assert parsed.problems == ()
        assert parsed.anon_bytes == 11952128
        assert parsed.file_bytes == 38600704
        assert parsed.shmem_bytes == 9068544
        assert parsed.dirty_bytes == 65536
        assert parsed.writeback_bytes == 4096
        assert parsed.inactive_anon_bytes == 4952064
        assert parsed.active_anon_bytes == 1564672
        assert parsed.inactive_file_bytes == 13897728
        assert parsed.active_file_bytes == 15634432
        assert parsed.unevictable_bytes == 14295040
        assert parsed.workingset_refault_file == 24333
        assert parsed.pgfault == 848137
        assert parsed.pgmajfault == 413


def test_every_key_is_kept_under_the_kernels_name() -> None:
    assert parse_cgroup_memory_stat(V1_6_18).values["inactive_file"] == 0
    assert parse_cgroup_memory_stat(V2).values["kernel"] == 2048000


def test_a_key_that_the_kernel_does_not_print_is_none() -> None:
    assert parse_cgroup_memory_stat(V1_6_18).workingset_refault_anon is None
    assert parse_cgroup_memory_stat(b"").anon_bytes is None


def test_only_v1_has_the_least_limit_and_a_number_about_2_to_the_63_is_none() -> None:
    assert parse_cgroup_memory_stat(V1_6_18).hierarchical_limit_bytes == Limit(None, unlimited=True)
    assert parse_cgroup_memory_stat(b"hierarchical_memory_limit 4096\n").hierarchical_limit_bytes == Limit(
        4096
    )
    assert parse_cgroup_memory_stat(V2).hierarchical_limit_bytes is None


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_cgroup_memory_stat(b"anon 1\nfile -2\nshmem 3\n", "memory.stat")
    assert (parsed.anon_bytes, parsed.file_bytes, parsed.shmem_bytes) == (1, None, 3)
    assert parsed.problems == (Problem("memory.stat", 2, "file -2", "key N"),)


def test_events_are_found_by_name_wherever_a_new_one_stands() -> None:
    assert parse_memory_events(EVENTS_V2) == MemoryEvents(0, 12, 3, 2, 1, 0, {})
    assert parse_memory_events(b"low 1\nsock_throttled 2\nmax 3\n") == MemoryEvents(
        1, None, 3, None, None, None, {"sock_throttled": 2}
    )


def test_v1_counts_its_oom_kills_in_another_file_of_the_same_form() -> None:
    parsed = parse_memory_events(b"oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", "memory.oom_control")
    assert (parsed.oom_kill, parsed.oom) == (4, None)
    assert parsed.extra == {"oom_kill_disable": 0, "under_oom": 0}


def test_a_bad_event_is_named_and_the_others_survive() -> None:
    parsed = parse_memory_events(b"low\noom_kill 4\n", "memory.events")
    assert (parsed.low, parsed.oom_kill) == (None, 4)
    assert parsed.problems == (Problem("memory.events", 1, "low", "key N"),)


def test_both_survive_any_input() -> None:
    holds_when_cut_anywhere(parse_cgroup_memory_stat, V1_6_18)
    holds_for_any_bytes(parse_cgroup_memory_stat, V2)
    holds_when_cut_anywhere(parse_memory_events, EVENTS_V2)
    holds_for_any_bytes(parse_memory_events, EVENTS_V2)
