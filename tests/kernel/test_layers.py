import re
from collections import Counter
from pathlib import Path
from typing import Dict, List

import pytest

from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.kernel.layer_names import BY_MODULE, BY_NAME
from kdiag.kernel.layers import TITLES, Layer, layer_of

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"

#: What an expert says of functions on the way of open, read, fsync, connect and their likes.
KNOWN: Dict[str, str] = {
    "__x64_sys_openat": "entry",
    "__arm64_sys_read": "entry",
    "do_syscall_64": "entry",
    "ksys_read": "entry",
    "do_sys_openat2": "vfs",
    "link_path_walk.part.0.constprop.0": "vfs",
    "vfs_fsync_range": "vfs",
    "anon_pipe_read": "vfs",
    "ext4_sync_file": "fs ext4",
    "jbd2_log_wait_commit": "fs jbd2",
    "xfs_file_fsync": "fs xfs",
    "btrfs_sync_file": "fs btrfs",
    "shmem_file_read_iter": "fs tmpfs",
    "iomap_dio_rw": "fs iomap",
    "filemap_read": "page_cache",
    "__mark_inode_dirty": "page_cache",
    "folio_wait_writeback": "page_cache",
    "wb_workfn": "page_cache",
    "blk_mq_submit_bio": "block",
    "submit_bio_noacct_nocheck": "block",
    "dm_submit_bio": "block device mapper",
    "virtio_queue_rq": "driver",
    "nvme_queue_rq": "driver",
    "scsi_queue_rq": "driver",
    "n_tty_read": "driver",
    "apparmor_file_open": "security",
    "security_file_open": "security",
    "_raw_spin_lock_irqsave": "locking",
    "mutex_lock": "locking",
    "rwsem_down_read_slowpath": "locking",
    "kmem_cache_alloc_noprof": "memory",
    "__alloc_pages_noprof": "memory",
    "exc_page_fault": "memory",
    "handle_mm_fault": "memory",
    "schedule": "scheduler",
    "io_schedule": "scheduler",
    "__wake_up_common": "scheduler",
    "futex_wait_queue": "scheduler",
    "do_nanosleep": "scheduler",
    "process_one_work": "scheduler",
    "__sys_connect": "network",
    "inet_stream_connect": "network",
    "tcp_v4_connect": "network",
    "unix_stream_recvmsg": "network",
    "sock_read_iter": "network",
    "__sysvec_apic_timer_interrupt": "interrupts",
    "handle_softirqs": "interrupts",
    "hrtimer_interrupt": "interrupts",
    "do_exit": "process",
    "bprm_execve": "process",
    "get_signal": "process",
    "rcu_all_qs": "locking RCU",
    "__traceiter_sched_switch": "tracing",
    "bpf_prog_array_free": "tracing",
    "trace_event_raw_event_sched_switch": "tracing",
    "htree_dirblock_to_tree": "fs ext4",
    "__account_obj_stock": "memory",
    "account_process_tick": "scheduler",
    "out_of_line_wait_on_bit": "scheduler",
}


@pytest.mark.parametrize("function", sorted(KNOWN))
def test_known_functions_are_in_the_layer_that_the_kernel_folder_says(function: str) -> None:
    name, _, part = KNOWN[function].partition(" ")
    assert layer_of(function) == Layer(name, part)


def test_a_function_that_no_rule_places_is_none() -> None:
    assert layer_of("acme_frobnicate") is None
    assert layer_of("") is None
    assert layer_of("0xffffffff81000000") is None


def test_the_module_counts_more_than_the_name() -> None:
    assert layer_of("ext4_file_open", "acme") == Layer("module", "acme")
    assert layer_of("anything", "nvme_tcp") == Layer("driver", "nvme_tcp")
    assert layer_of("anything", "dm-crypt") == Layer("block", "device mapper")
    assert layer_of("anything", "xfs") == Layer("fs", "xfs")
    assert layer_of("anything", "nf_tables") == Layer("network")


def test_every_place_has_a_title() -> None:
    for place in (*BY_NAME, *BY_MODULE):
        assert place == "page cache" or place.split()[0] in TITLES
    assert Layer("page_cache").title == "page cache and writeback"


@pytest.mark.parametrize("table", [BY_NAME, BY_MODULE], ids=["names", "modules"])
def test_no_word_stands_in_two_layers_and_every_word_can_match(table: Dict[str, str]) -> None:
    words = Counter(word for text in table.values() for word in set(text.split()))
    assert [word for word, count in words.items() if count > 1] == []
    assert [word for word in words if "*" in word[:-1] or not re.fullmatch(r"[A-Za-z0-9_]+\*?", word)] == []
    if table is BY_NAME:  # names lose their leading underscores before beginnings are compared
        assert [word for word in words if word.startswith("_") and word.endswith("*")] == []


def self_times(path: Path) -> "Counter[str]":
    """Return nanoseconds by function in a function_graph text, without what each called."""
    spent: Counter[str] = Counter()
    open_calls: Dict[object, List[List[object]]] = {}
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for line in parse_graph(file):
            if not isinstance(line, GraphLine) or line.kind not in ("entry", "leaf", "return"):
                continue
            stack = open_calls.setdefault((line.cpu, line.pid), [])
            duration = line.duration_ns or 0
            if line.kind == "entry":
                stack.append([line.function, 0])
                continue
            function: object = line.function
            inside: object = 0
            if line.kind == "return":
                if not stack:
                    continue
                function, inside = stack.pop()
            assert isinstance(inside, int)
            spent[str(function)] += max(0, duration - inside)
            if stack:
                stack[-1][1] += duration  # type: ignore[operator]
    return spent


@pytest.mark.parametrize("kernel", ["6.12-retval", "7.2-full"])
def test_at_least_95_percent_of_the_time_in_recorded_traces_is_placed(kernel: str) -> None:
    spent: Counter[str] = Counter()
    for path in CAPTURES.glob(f"{kernel}/*.txt"):
        if path.read_bytes().startswith(b"# tracer: function_graph"):
            spent += self_times(path)
    placed = sum(time for function, time in spent.items() if layer_of(function))
    assert len(spent) > 200
    assert placed / sum(spent.values()) > 0.95
    assert [function for function in spent if not layer_of(function)] == []
