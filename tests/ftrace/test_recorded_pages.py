"""Raw pages of a recorded buffer against the kernel's own text of the same buffer, event by event."""

from typing import Any, Callable, Dict, List, Mapping

import pytest

from kdiag.ftrace import ring_buffer, ring_buffer_numpy
from kdiag.ftrace.event import Event, Lost
from kdiag.ftrace.events import EventReader, recorded
from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.ftrace.retval import signed_64
from kdiag.ftrace.trace_text import TextEvent, parse_trace
from tests.ftrace.captures import formats, layout, lines, pages, read

KERNEL = "6.12-retval"
BOTH = pytest.mark.parametrize(
    "decode", [ring_buffer.decode, ring_buffer_numpy.decode], ids=["pure", "numpy"]
)


def state(value: int) -> str:
    letters = [letter for bit, letter in enumerate("SDTtXZPI") if value >> bit & 1]
    return ("|".join(letters) or "R") + ("+" if value & 0x100 else "")


def hexed(fields: Mapping[str, Any], names: str) -> str:
    return ", ".join(f"{name}: {fields[name]:x}" for name in names.split())


#: The payloads as this kernel prints them.
PAYLOADS: Dict[str, Callable[[Mapping[str, Any]], str]] = {
    "sys_enter_openat": lambda f: hexed(f, "dfd filename flags mode"),
    "sys_exit_openat": lambda f: f"0x{f['ret'] & (1 << 64) - 1:x}",
    "sched_process_fork": lambda f: (
        "comm={parent_comm} pid={parent_pid} child_comm={child_comm} child_pid={child_pid}".format(**f)
    ),
    "sched_process_exec": lambda f: "filename={filename} pid={pid} old_pid={old_pid}".format(**f),
    "sched_process_exit": lambda f: "comm={comm} pid={pid} prio={prio}".format(**f),
    "sched_switch": lambda f: (
        "prev_comm={prev_comm} prev_pid={prev_pid} prev_prio={prev_prio} ".format(**f)
        + f"prev_state={state(f['prev_state'])} ==> "
        + "next_comm={next_comm} next_pid={next_pid} next_prio={next_prio}".format(**f)
    ),
    "sched_wakeup": lambda f: "comm={comm} pid={pid} prio={prio} target_cpu={target_cpu:03d}".format(**f),
    "o": lambda f: '(do_sys_openat2+0x0/0xc0) dfd={dfd} file="{file}"'.format(**f),
    "or": lambda f: "(__x64_sys_openat+0x60/0x80 <- do_sys_openat2) ret={ret}".format(**f),
    "tracing_mark_write": lambda f: str(f["buf"]).rstrip("\n"),
    "raw_data": lambda f: f"# {f['id']:x} buf: {' '.join(f'{ord(c):02x}' for c in f['buf'])}",
}
#: What the text calls them.
NAMES = {"print": "tracing_mark_write"}


def flags(event: Event) -> str:
    """Return the five letters of irqs-off, need-resched, context, preempt depth and migrate-disable."""
    bits = event.flags
    context = (
        "Z" if bits & 0x40 else "H" if bits & 0x18 == 0x18 else "h" if bits & 8 else "s" if bits & 16 else "."
    )
    irqs = {0: ".", 1: "d", 0x80: "b", 0x81: "D"}[bits & 0x81]
    resched = {0: ".", 4: "n", 0x20: "p", 0x24: "N"}[bits & 0x24]
    counts = [event.preempt_count & 0xF, event.preempt_count >> 4]
    return irqs + resched + context + "".join(f"{count:x}" if count else "." for count in counts)


@BOTH
@pytest.mark.parametrize("name", ["raw-events", "raw-lost", "raw-missed"])
def test_pages_and_text_tell_the_same_events(name: str, decode: Any) -> None:
    reader = EventReader(formats(KERNEL, f"{name}.formats.txt"), layout(KERNEL), decode)
    events = [each for each in recorded(reader, pages(KERNEL, name)) if isinstance(each, Event)]
    text = parse_trace(read(KERNEL, f"{name}.trace.txt").splitlines(True))
    shown = [each for each in text if isinstance(each, TextEvent)]
    assert len(events) == len(shown)
    assert reader.unknown_types == {}
    for event, line in zip(events, shown):
        event_name = event.name.partition(":")[2]
        event_name = NAMES.get(event_name, event_name)
        if event_name == "raw_data":
            assert line.payload.startswith("# 1 buf: 72 61 77 6d 61 72 6b 00")
            assert event.fields["buf"] == "rawmark"
        else:
            assert PAYLOADS[event_name](event.fields) == line.payload
        assert event_name == line.name
        assert (event.cpu, event.pid, flags(event)) == (line.cpu, line.pid, line.flags)
        # The text is rounded to microseconds.
        assert (event.ts_ns + 500) // 1000 * 1000 == line.ts_ns


@BOTH
def test_lost_events_are_told_where_they_are_missing(decode: Any) -> None:
    found = {}
    for name in ("raw-events", "raw-lost", "raw-missed"):
        reader = EventReader(formats(KERNEL, f"{name}.formats.txt"), layout(KERNEL), decode)
        found[name] = [each for each in recorded(reader, pages(KERNEL, name)) if isinstance(each, Lost)]
    # As `overrun` of per_cpu/cpuN/stats has it; on CPU 1 no room was left on the page for the number (509).
    assert found == {
        "raw-events": [],
        "raw-lost": [Lost(134032756008, 0, 1022), Lost(134040351476, 1, None)],
        "raw-missed": [Lost(134321899477, 0, 715)],
    }


def test_the_page_read_while_tracing_went_on_fits_before_the_others() -> None:
    reader = EventReader(formats(KERNEL, "raw-missed.formats.txt"), layout(KERNEL))
    first = list(recorded(reader, {0: [read(KERNEL, "raw-missed.cpu0.first.bin")]}))
    after = list(recorded(reader, {0: pages(KERNEL, "raw-missed")[0]}))
    assert all(isinstance(each, Event) for each in first)
    assert len(first) == 39  # `read events` of its stats
    assert first[-1].ts_ns < after[0].ts_ns


@BOTH
@pytest.mark.parametrize("name", ["raw-fgraph-default", "raw-fgraph-retval"])
def test_records_of_function_graph_tell_what_its_text_does(name: str, decode: Any) -> None:
    reader = EventReader(formats(KERNEL, f"{name}.formats.txt"), layout(KERNEL), decode)
    records = [each for each in recorded(reader, pages(KERNEL, name)) if isinstance(each, Event)]
    shown: List[GraphLine] = []
    for each in parse_graph(lines(KERNEL, f"{name}.trace.txt")):
        assert isinstance(each, GraphLine)
        shown.append(each)
    place = 0
    for line in shown:
        for kind in {"entry": ["entry"], "return": ["exit"], "leaf": ["entry", "exit"]}[line.kind]:
            record = records[place]
            place += 1
            assert record.name == f"ftrace:funcgraph_{kind}"
            assert (record.cpu, record.fields["depth"]) == (line.cpu, line.depth)
            if kind == "exit":
                duration = record.fields["rettime"] - record.fields["calltime"]
                # At most seven digits are printed.
                assert line.duration_ns is not None
                assert 0 <= duration - line.duration_ns < 1000
                if line.retval is not None:
                    low = record.fields["retval"] & 0xFFFFFFFF
                    assert line.retval in (signed_64(record.fields["retval"]), low - (1 << 32))
    assert place == len(records)
