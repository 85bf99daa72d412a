import pytest

from fixtures.recorded_tracefs import KERNELS, names, raw
from kdiag.ftrace.dynamic_event_list import DynamicEvent, parse_dynamic_events
from tests.ftrace.captures import KERNELS as CAPTURED
from tests.ftrace.captures import read
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

FILES = [
    (kernel, name)
    for kernel in KERNELS
    for name in names(kernel)
    if name.endswith(("dynamic_events.txt", "kprobe_events.txt", "uprobe_events.txt", "synthetic_events.txt"))
]


@pytest.mark.parametrize(("kernel", "name"), FILES)
def test_every_recorded_definition_is_read(kernel: str, name: str) -> None:
    text = raw(kernel, name)
    parsed = parse_dynamic_events(text)
    assert parsed.problems == ()
    assert len(parsed.events) == text.count(b"\n") > 0


@pytest.mark.parametrize("kernel", CAPTURED)
def test_every_kind_is_told_apart(kernel: str) -> None:
    events = parse_dynamic_events(read(kernel, "probes.dynamic_events.txt")).events
    kinds = {each.name: each.kind for each in events}
    assert kinds == {
        "o": "kprobe",
        "or": "kretprobe",
        "never": "kprobe",
        "a_probe_with_a_name_longer_than_forty_four_letters_x": "kprobe",
        "btf": "kprobe",
        "btfr": "kretprobe",
        "up": "uprobe",
        "fo": "fprobe",
        "fr": "fretprobe",
        "fx": "fretprobe",
        "fs": "fprobe",
        "tw": "tprobe",
        "tsw": "tprobe",
        "ep": "eprobe",
    }
    assert events[0].args == ("dfd=$arg1:s32", "file=+0($arg2):ustring")


def test_a_probe_of_a_program_has_its_path_and_offset() -> None:
    (event,) = parse_dynamic_events(b"p:kd/up /opt/my program:0x00000000000023d0(0x10) sp=%sp\n").events
    assert event == DynamicEvent("uprobe", "kd", "up", "/opt/my program", ("sp=%sp",), 0x23D0)


def test_synthetic_events_are_read_from_both_files() -> None:
    fields = ("u64 lat", "pid_t pid")
    wanted = DynamicEvent("synthetic", "synthetic", "kd_sl", "", fields)
    for text in (b"kd_sl\tu64 lat; pid_t pid\n", b"s:synthetic/kd_sl u64 lat; pid_t pid\n"):
        assert parse_dynamic_events(text).events == (wanted,)


def test_a_bad_line_is_a_problem_and_the_others_survive() -> None:
    parsed = parse_dynamic_events(b"p:kd/o\nx:kd/a f\nt:kd/tp sched_switch\n", "/t/dynamic_events")
    assert [each.name for each in parsed.events] == ["tp"]
    assert [each.line for each in parsed.problems] == [1, 2]


def test_it_survives_any_input() -> None:
    sample = read("7.2-full", "probes.dynamic_events.txt")
    holds_when_cut_anywhere(parse_dynamic_events, sample)
    holds_for_any_bytes(parse_dynamic_events, sample)
