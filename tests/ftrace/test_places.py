from pathlib import Path
from typing import Any

import pytest

from kdiag.ftrace import places
from kdiag.ftrace.elf_symbols import Function
from kdiag.ftrace.functions import DENIED, denied
from kdiag.ftrace.places import MOST_PROBES, Catalogue
from kdiag.ftrace.probe import BadProbe, parse_probe
from tests.ftrace.tracefs_folder import LiveMemoryHost, tracefs_in

FUNCTIONS = {
    "readline": Function("readline", 0x1000, 10),
    "read_it": Function("read_it", 0x2000, 10),
    "memcpy": Function("memcpy", 0x3000, 10, True),
}


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.setattr(places, "functions_of", lambda path: FUNCTIONS)
    (tmp_path / "program").write_bytes(b"")
    return Catalogue(tracefs_in(tmp_path / "T"), LiveMemoryHost({}, str(tmp_path)))


def _found(catalogue: Catalogue, text: str) -> Any:
    return [str(place) for place in catalogue.find(parse_probe(text)).places]


def test_patterns_are_expanded(catalogue: Catalogue) -> None:
    assert _found(catalogue, "kprobe:vfs_read*") == ["kprobe:vfs_read", "kprobe:vfs_readv"]
    assert _found(catalogue, "t:sch*:*switch") == ["tracepoint:sched:sched_switch"]
    assert _found(catalogue, "u:/program:read*") == ["uprobe:/program:read_it", "uprobe:/program:readline"]


def test_what_a_pattern_leaves_out_is_told_with_the_reason(catalogue: Catalogue) -> None:
    found = catalogue.find(parse_probe("kprobe:*"))
    assert [str(place) for place in found.places] == [
        "kprobe:vfs_read",
        "kprobe:vfs_readv",
        "kprobe:vfs_write",
    ]
    assert found.left_out == (
        ("_raw_spin_lock", "locks are taken millions of times a second"),
        ("scan", "several functions have that name"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sched:sched_swich", "this kernel has no such event; near it: sched:sched_switch"),
        ("kprobe:vfs_raed", "no such function in /T/available_filter_functions"),
        ("kprobe:vfs_raed", "near it: vfs_read"),
        ("kprobe:scan", "3 functions of this kernel have that name"),
        ("kprobe:nosuch*", "no function matches"),
        ("fprobe:vfs_read", "CONFIG_FPROBE_EVENTS"),
        ("u:/program:readlin", "near it: readline"),
        ("u:/program:memcpy", "IFUNC"),
        ("u:/nosuch:f", "there is no file /nosuch"),
        ("u:no-such-program:f", "there is no program 'no-such-program'"),
        ("t:sched:sched_switch x=1", "a tracepoint has its own fields"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(catalogue: Catalogue, text: str, told: str) -> None:
    with pytest.raises(BadProbe) as caught:
        catalogue.find(parse_probe(text))
    assert told in str(caught.value)


def test_a_module_may_tell_which_of_several_is_meant(catalogue: Catalogue) -> None:
    assert _found(catalogue, "kprobe:ext4:scan") == ["kprobe:ext4:scan"]


def test_a_function_with_an_offset_is_looked_up_without_it(catalogue: Catalogue) -> None:
    assert _found(catalogue, "kprobe:vfs_read+0x10") == ["kprobe:vfs_read+0x10"]
    (place,) = catalogue.find(parse_probe("u:/program:readline+0x4")).places
    assert place.offset == 0x1004
    (place,) = catalogue.find(parse_probe("u:/program:0x77")).places
    assert place.offset == 0x77


def test_too_many_at_a_time_are_refused(tmp_path: Path) -> None:
    names = "".join(f"f{number}\n" for number in range(MOST_PROBES + 1))
    catalogue = Catalogue(tracefs_in(tmp_path, available_filter_functions=names), LiveMemoryHost({}))
    with pytest.raises(BadProbe, match="no more than 200"):
        catalogue.find(parse_probe("kprobe:f*"))


def test_where_the_list_is_refused_the_symbols_have_to_do(tmp_path: Path) -> None:
    symbols = b"0 T vfs_read\n0 t scan\n0 t scan\n0 d vfs_data\n"
    top = tracefs_in(tmp_path, available_filter_functions="")
    found = Catalogue(top, LiveMemoryHost({"/proc/kallsyms": symbols})).find(parse_probe("kprobe:vfs_*"))
    assert [str(place) for place in found.places] == ["kprobe:vfs_read"]
    assert "some of which cannot be probed" in found.notes[0]


def test_without_any_list_a_name_is_taken_as_it_is_and_a_pattern_is_not(tmp_path: Path) -> None:
    catalogue = Catalogue(tracefs_in(tmp_path, available_filter_functions=""), LiveMemoryHost({}))
    assert catalogue.find(parse_probe("kprobe:vfs_read")).notes[0].startswith("not looked up: ")
    with pytest.raises(BadProbe, match="may not be read here"):
        catalogue.find(parse_probe("kprobe:vfs_*"))


@pytest.mark.parametrize(
    "name",
    "_raw_spin_lock_irqsave native_queued_spin_lock_slowpath __rcu_read_lock ftrace_ops_list_func "
    "preempt_count_add exc_page_fault asm_exc_nmi kprobe_ftrace_handler ring_buffer_lock_reserve".split(),
)
def test_functions_that_have_hung_machines_are_left_out(name: str) -> None:
    assert denied(name)


@pytest.mark.parametrize(
    "name", ["vfs_read", "ext4_lookup", "do_sys_openat2", "tcp_sendmsg", "blk_mq_start_request"]
)
def test_functions_that_people_probe_are_not(name: str) -> None:
    assert denied(name) is None


def test_every_reason_is_said() -> None:
    assert all(pattern and why for pattern, why in DENIED)
