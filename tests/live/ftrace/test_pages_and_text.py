"""The kernel's own text of a buffer against what is read from its pages, event by event."""

import io
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from kdiag.ftrace import ring_buffer, ring_buffer_numpy
from kdiag.ftrace.event import Event, Lost
from kdiag.ftrace.events import EventReader, live, recorded
from kdiag.ftrace.session import Session
from kdiag.ftrace.trace_text import TextEvent, parse_trace
from kdiag.ftrace.tracefs import find_tracefs
from kdiag.host.live import LiveHost
from tests.ftrace.test_recorded_pages import BOTH

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs")

#: Files are looked at, sleeps make switches and pauses of more than 134 ms (time extends).
WORK = """
import os, time, sys
sys.stdin.read(1)
for number in range(int(sys.argv[1])):
    os.stat("/")
    if number % 40 == 0:
        time.sleep(0.01)
time.sleep(0.2)
os.stat("/")
"""


@pytest.fixture
def session() -> Iterator[Session]:
    host = LiveHost("/")
    with Session(find_tracefs(host), host, buffer_kib_per_cpu=2048, deadline_s=60) as made:
        yield made


def traced(session: Session, rounds: int) -> Tuple[List[TextEvent], List[Tuple[int, bytes]]]:
    """Trace a workload, and return the text and the pages of the same buffer."""
    with subprocess.Popen([sys.executable, "-c", WORK, str(rounds)], stdin=subprocess.PIPE) as work:
        session.follow([work.pid])
        session.start()
        work.communicate(b"x")
    session.stop()
    lines = io.BytesIO(session.instance.read_bytes("trace"))
    text = [each for each in parse_trace(lines) if isinstance(each, TextEvent)]
    return text, list(session.pages(0))


def by_cpu(pages: List[Tuple[int, bytes]]) -> Dict[int, List[bytes]]:
    found: Dict[int, List[bytes]] = {}
    for cpu, data in pages:
        found.setdefault(cpu, []).append(data)
    return found


def same(event: Event, line: TextEvent) -> bool:
    name = event.name.partition(":")[2]
    return (name, event.cpu, event.pid, (event.ts_ns + 500) // 1000 * 1000) == (
        line.name,
        line.cpu,
        line.pid,
        line.ts_ns,
    ) and len(event.stack or ()) == len(line.stack)


@BOTH
@pytest.mark.parametrize("stacks", [False, True], ids=["plain", "stacks"])
def test_pages_and_text_tell_the_same_events(session: Session, decode: Any, stacks: bool) -> None:
    session.option("stacktrace", stacks)
    for system, event in (
        ("raw_syscalls", "sys_enter"),
        ("raw_syscalls", "sys_exit"),
        ("sched", "sched_switch"),
    ):
        session.enable(system, event)
    text, pages = traced(session, 400)
    reader = EventReader(session.formats.values(), session.page_layout, decode)
    found = list(recorded(reader, by_cpu(pages)))
    events = [each for each in found if isinstance(each, Event)]
    assert [each for each in found if isinstance(each, Lost)] == []
    assert reader.unknown_types == {}
    assert reader.orphan_stacks == 0
    assert len(events) == len(text) > 1000
    # Of one time (to the microsecond, in the text) on two CPUs the order is anyone's.
    lines = sorted(text, key=lambda line: (line.ts_ns, line.cpu))
    shown = sorted(events, key=lambda event: ((event.ts_ns + 500) // 1000, event.cpu))
    assert [(event, line) for event, line in zip(shown, lines) if not same(event, line)] == []
    for each, line in zip(shown, lines):
        if each.name == "raw_syscalls:sys_exit":
            assert line.payload == "NR {id} = {ret}".format(**each.fields)


def test_events_come_in_order_while_they_are_made(session: Session) -> None:
    session.enable("raw_syscalls", "sys_enter")
    with subprocess.Popen([sys.executable, "-c", WORK, "3000"], stdin=subprocess.PIPE) as work:
        session.follow([work.pid])
        session.start()
        assert work.stdin is not None
        work.stdin.write(b"x")
        work.stdin.close()
        end = time.monotonic() + 30
        reader = EventReader(session.formats.values(), session.page_layout)
        chunks = session.chunks(lambda: work.poll() is not None or time.monotonic() > end, 0.02)
        found = list(live(reader, chunks))
    events = [each for each in found if isinstance(each, Event)]
    assert [each.ts_ns for each in events] == sorted(each.ts_ns for each in events)
    assert sum(each.fields["id"] in (4, 262, 79, 80) for each in events) >= 3000
    assert session.lost() == sum(each.events or 0 for each in found if isinstance(each, Lost))


def test_both_decoders_agree_on_live_pages(session: Session) -> None:
    session.option("stacktrace", True)
    session.enable("raw_syscalls")
    session.enable("sched")
    _, pages = traced(session, 1500)
    data = b"".join(data for _, data in pages)
    layout = session.page_layout
    pure, fast = ring_buffer.decode(data, layout), ring_buffer_numpy.decode(data, layout)
    assert len(pure.types) > 3000
    for ours, theirs in zip(pure[:4], fast[:4]):
        assert list(ours) == [int(each) for each in theirs]
    assert pure.gaps == fast.gaps
