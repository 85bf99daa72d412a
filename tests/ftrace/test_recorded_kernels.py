"""Captures of distributions' kernels (fixtures/tracefs): text read whole, and pages held to it."""

import io
from typing import Any, List

import pytest

from fixtures.recorded_tracefs import KERNELS, formats, names, raw
from kdiag.ftrace import ring_buffer, ring_buffer_numpy
from kdiag.ftrace.event import Event, Lost
from kdiag.ftrace.event_format import EventFormat, PageLayout, parse_format, parse_header_page
from kdiag.ftrace.events import EventReader, recorded
from kdiag.ftrace.function_graph import parse_graph
from kdiag.ftrace.trace_text import Mark, TextEvent, parse_trace
from kdiag.procfs.text import Problem
from tests.ftrace.test_recorded_pages import BOTH, flags

ALL = [(kernel, name) for kernel in KERNELS for name in names(kernel)]
GRAPHS = [(kernel, name) for kernel, name in ALL if raw(kernel, name).startswith(b"# tracer: function_graph")]
GRAPHS += [(kernel, name) for kernel, name in ALL if name.endswith("trace_pipe.txt") and "graph" in name]
EVENTS = [
    (kernel, name)
    for kernel, name in ALL
    if raw(kernel, name).startswith(b"# tracer: ")
    and (kernel, name) not in GRAPHS
    and name != "events.raw.txt"
]
PAGES = [
    (kernel, name) for kernel, name in ALL if name.endswith(".raw") and not name.startswith("instance-graph")
]


def event_formats(kernel: str, file: str = "formats.txt") -> List[EventFormat]:
    return [
        parse_format(text.encode(), f"events/{path}/format") for path, text in formats(kernel, file).items()
    ]


def layout(kernel: str, name: str) -> PageLayout:
    found = parse_header_page(raw(kernel, "static/events/header_page"), big_endian=False)
    # The instance that was read had sub-buffers of its own size; this is the top's.
    return found._replace(data_bytes=16384 - 16) if "subbuf-16k" in name else found


@pytest.mark.parametrize(("kernel", "name"), GRAPHS)
def test_every_line_of_function_graph_is_classified(kernel: str, name: str) -> None:
    text = raw(kernel, name).decode("utf-8", "surrogateescape")
    found = list(parse_graph(io.StringIO(text, newline="\n"), name))
    assert [each for each in found if isinstance(each, Problem)] == []
    shown = [
        line
        for line in text.split("\n")
        if line.strip() and not line.startswith(("# ", " ---")) and line != "#"
    ]
    assert len(found) == len(shown)


@pytest.mark.parametrize(("kernel", "name"), EVENTS)
def test_every_event_line_is_read(kernel: str, name: str) -> None:
    found = list(parse_trace(io.BytesIO(raw(kernel, name)), name))
    assert [each for each in found if isinstance(each, Problem)] == []
    assert any(isinstance(each, TextEvent) for each in found)
    if "stack" in name:
        assert any(isinstance(each, TextEvent) and (each.stack or each.user_stack) for each in found)
    if "clock-counter" in name or "tsc" in name:
        assert all(isinstance(each, TextEvent) and each.ticks is not None for each in found[1:])


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_odd_name_is_read_as_it_is(kernel: str) -> None:
    found = [
        each
        for each in parse_trace(io.BytesIO(raw(kernel, "events.odd-name.txt")))
        if isinstance(each, TextEvent)
    ]
    assert "a-12 b]x (c)" in {each.comm for each in found}


@BOTH
@pytest.mark.parametrize(("kernel", "name"), PAGES)
def test_pages_and_text_tell_the_same_events(kernel: str, name: str, decode: Any) -> None:
    known = event_formats(kernel)
    if name.startswith("probes."):
        known += event_formats(kernel, "probes.formats.txt")
    reader = EventReader(known, layout(kernel, name), decode)
    found = list(recorded(reader, {0: [raw(kernel, name)]}))
    prefix = name.partition(".cpu0")[0]
    text_name = f"{prefix}.trace.txt" if f"{prefix}.trace.txt" in names(kernel) else f"{prefix}.txt"
    items = [each for each in parse_trace(io.BytesIO(raw(kernel, text_name))) if isinstance(each, TextEvent)]
    shown = [each for each in items if each.cpu == 0]
    events = [each for each in found if isinstance(each, Event)]
    assert reader.unknown_types == {}
    assert reader.orphan_stacks == 0
    assert len(events) == len(shown) > 0
    for event, line in zip(events, shown):
        assert event.name.partition(":")[2] in (
            line.name,
            "print" if line.name == "tracing_mark_write" else "",
        )
        assert (event.cpu, event.pid) == (line.cpu, line.pid)
        assert (event.ts_ns + 500) // 1000 * 1000 == line.ts_ns
        # The letters for need-resched are not the same on all of these kernels.
        assert line.flags is None or flags(event)[2:4] == line.flags[2:4]
        assert len(event.stack or ()) == len(line.stack)
        if event.name == "raw_syscalls:sys_enter":
            arguments = ", ".join(f"{value:x}" for value in event.fields["args"])
            assert line.payload == f"NR {event.fields['id']} ({arguments})"
        if event.name == "raw_syscalls:sys_exit":
            assert line.payload == "NR {id} = {ret}".format(**event.fields)
        if event.name.startswith("syscalls:sys_exit"):
            assert line.payload == f"0x{event.fields['ret'] & (1 << 64) - 1:x}"


@BOTH
@pytest.mark.parametrize("kernel", KERNELS)
def test_losses_are_those_of_the_kernels_own_count(kernel: str, decode: Any) -> None:
    stats = dict(
        line.split(b": ", 1) for line in raw(kernel, "lost.pages.stats.txt").splitlines() if b": " in line
    )
    reader = EventReader(event_formats(kernel), layout(kernel, ""), decode)
    found = list(recorded(reader, {0: [raw(kernel, "lost.pages.cpu0.raw")]}))
    lost = [each for each in found if isinstance(each, Lost)]
    assert [each.events for each in lost] == [int(stats[b"overrun"])]
    assert sum(isinstance(each, Event) for each in found) == int(stats[b"entries"])


@pytest.mark.parametrize("kernel", KERNELS)
def test_losses_in_the_pipe_are_marked(kernel: str) -> None:
    found = list(parse_trace(io.BytesIO(raw(kernel, "lost.pipe.trace_pipe.txt"))))
    assert any(isinstance(each, Mark) and each.kind == "lost" and each.events for each in found)
    assert not [each for each in found if isinstance(each, Problem)]


def test_both_decoders_agree_on_every_page_there_is() -> None:
    for kernel, name in ALL:
        if name.endswith(".raw"):
            both = [
                each(raw(kernel, name), layout(kernel, name))
                for each in (ring_buffer.decode, ring_buffer_numpy.decode)
            ]
            assert [[int(x) for x in c] for c in both[0][:4]] == [[int(x) for x in c] for c in both[1][:4]]
            assert both[0].gaps == both[1].gaps
