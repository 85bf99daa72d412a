"""Sessions on the kernel underneath: whatever ends them, tracefs is as it was."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest

from kdiag.ftrace import private_mount
from kdiag.ftrace.elf_symbols import functions_of
from kdiag.ftrace.event import Event
from kdiag.ftrace.events import EventReader, live
from kdiag.ftrace.global_state import GlobalBusy, GlobalState
from kdiag.ftrace.journal import leftovers
from kdiag.ftrace.lock import GLOBAL, is_held
from kdiag.ftrace.reap import reap
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import PlannedTraceFs, TraceFs, TraceFsError, find_tracefs
from kdiag.host.live import LiveHost
from kdiag.host.target import CannotRun, Target
from tests.live.traced import PROJECT, kdiag, left_by, python, start_kdiag, state_of, tracefs

pytestmark = pytest.mark.needs("root", "tracefs")

#: A session with all that can be left behind: events, a trigger, a uprobe, a global file; then it waits.
_VICTIM = """
import os, sys, time
from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.elf_symbols import functions_of
from kdiag.ftrace.global_state import GlobalState
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import find_tracefs
from kdiag.host.live import LiveHost

host = LiveHost()
top = find_tracefs(host)
state = GlobalState(top, host)
if "global" in sys.argv:
    state.__enter__()
    state.write("tracing_thresh", "1234567")
    state.hold_buffer()
session = Session(top, host, buffer_kib_per_cpu=256)
probes = DynamicEvents(session)
program = os.path.realpath(sys.executable)
name, function = sorted(functions_of(program).items())[0]
session.enable(*probes.user_function("uprobe", program, function.offset, name))
if top.exists("kprobe_events"):
    session.enable(*probes.kernel_function("kretprobe", "vfs_read"))
session.enable("sched")
session.trigger("sched", "sched_switch", "stacktrace:5")
if " hist" in session.instance.read("events/sched/sched_waking/trigger"):
    synthetic = probes.synthetic("lat", "u64 lat; pid_t pid")
    session.trigger("sched", "sched_waking", "hist:keys=pid:ts=common_timestamp")
    session.trigger("sched", "sched_switch", "hist:keys=next_pid:lat=common_timestamp-$ts:"
                    f"onmatch(sched.sched_waking).{synthetic[1]}($lat,next_pid)")
    session.trigger(*synthetic, "hist:keys=pid")
session.start()
print(session.name, flush=True)
time.sleep(60)
"""


@pytest.fixture
def as_it_was() -> Iterator[TraceFs]:
    """Give tracefs, and hold it to be the same afterwards."""
    top = tracefs()
    reap(top, LiveHost())
    before = state_of(top)
    yield top
    assert state_of(top) == before


def _victim(*words: str) -> "subprocess.Popen[str]":
    started = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, *words], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert started.stdout is not None
    assert started.stdout.readline().startswith(f"kdiag-{started.pid}-")
    return started


def _killed(victim: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
    victim.send_signal(number)
    victim.communicate()


def _journal_is_gone(pid: int) -> None:
    """Wait for it: whichever kdiag on this machine gets the lock replays what the dead have left."""
    end = time.monotonic() + 20
    while any(f"kdiag-{pid}-" in name for name in leftovers()):
        assert time.monotonic() < end
        time.sleep(0.05)
        reap(tracefs(), LiveHost())


def _events(session: Session, target: Target) -> List[Event]:
    reader = EventReader(session.formats.values(), session.page_layout)
    found = live(reader, session.chunks(target.ended, wake=target.pidfd()))
    return [item for item in found if isinstance(item, Event)]


def test_a_session_leaves_tracefs_as_it_was(as_it_was: TraceFs) -> None:
    host = LiveHost()
    with Session(as_it_was, host) as session:
        session.enable("sched")
        session.option("stacktrace", True)
        session.start()
        assert as_it_was.exists(f"instances/{session.name}")
    assert left_by(as_it_was, os.getpid()) == []


def test_the_mount_table_never_shows_a_private_mount() -> None:
    before = Path("/proc/self/mountinfo").read_text()
    if not any(line.split()[4] == "/" for line in before.splitlines()):
        pytest.skip("the root of this place is no mount, so nothing can be kept from propagating")
    for mount in (private_mount.mount_privately, private_mount._mount_in_namespace):
        descriptor = mount("tracefs")
        try:
            assert "instances" in os.listdir(f"/proc/self/fd/{descriptor}")
            assert Path("/proc/self/mountinfo").read_text() == before
        finally:
            os.close(descriptor)


def test_an_instance_ends_with_an_exception_too(as_it_was: TraceFs) -> None:
    with pytest.raises(ZeroDivisionError), Session(as_it_was, LiveHost()) as session:
        session.enable("sched", "sched_switch")
        session.start()
        raise ZeroDivisionError
    assert left_by(as_it_was, os.getpid()) == []


def test_the_kernel_stops_the_tracing_of_a_kdiag_that_is_killed(as_it_was: TraceFs) -> None:
    victim = _victim()
    (name,) = [each for each in as_it_was.list("instances") if each.startswith(f"kdiag-{victim.pid}-")]
    instance = as_it_was.below(f"instances/{name}")
    assert instance.read("tracing_on") == "1\n"
    full = instance.read("buffer_total_size_kb")
    _killed(victim)
    try:
        assert instance.read("tracing_on") == "0\n"
        assert int(instance.read("buffer_total_size_kb").split()[0]) < int(full.split()[0]) / 4
    except TraceFsError:
        pytest.skip("another kdiag on this machine has cleaned up before we could look")
    reap(as_it_was, LiveHost())
    assert left_by(as_it_was, victim.pid) == []


@pytest.mark.parametrize("words", [(), ("global",)])
def test_whatever_moment_kills_it_the_next_one_puts_all_back(as_it_was: TraceFs, words: Any) -> None:
    for _ in range(6):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, *words], stdout=subprocess.PIPE, text=True, cwd=PROJECT
        )
        time.sleep(random.uniform(0.05, 0.6))
        _killed(victim)
        reap(as_it_was, LiveHost())
        assert left_by(as_it_was, victim.pid) == []
        _journal_is_gone(victim.pid)


def test_one_that_lives_is_not_reaped(as_it_was: TraceFs) -> None:
    victim = _victim("global")
    try:
        notes = reap(as_it_was, LiveHost())
        assert not any(f"kdiag-{victim.pid}-" in note for note in notes)
        assert left_by(as_it_was, victim.pid) != []
        assert as_it_was.read("tracing_thresh") == "1234567\n"
        assert is_held(as_it_was, GLOBAL)
        with (
            pytest.raises(GlobalBusy, match=rf"another kdiag \(process {victim.pid}\)"),
            GlobalState(as_it_was, LiveHost()),
        ):
            pass
    finally:
        _killed(victim)
        reap(as_it_was, LiveHost())


def test_what_somebody_changed_since_is_left_to_them(as_it_was: TraceFs) -> None:
    victim = _victim("global")
    as_it_was.write("tracing_thresh", "777")
    try:
        _killed(victim)
        reap(as_it_was, LiveHost())
        _journal_is_gone(victim.pid)
        assert as_it_was.read("tracing_thresh") == "777\n"
    finally:
        as_it_was.write("tracing_thresh", "0")


@pytest.mark.needs("kernel's PIDs")
def test_two_sessions_at_once_keep_their_own(as_it_was: TraceFs) -> None:
    host = LiveHost()
    counts: Dict[str, int] = {}
    with Session(as_it_was, host) as one, Session(as_it_was, host) as two:
        assert one.name != two.name
        targets = [
            Target.start(host, python(f"import os\nfor _ in range({number}): os.chdir('/')"))
            for number in (5, 9)
        ]
        for session, target in zip((one, two), targets):
            session.follow(target.tids)
            session.enable("syscalls", "sys_enter_chdir")
            session.start()
        for session, target in zip((one, two), targets):
            target.release()
            counts[session.name] = len(_events(session, target))
        assert list(counts.values()) == [5, 9]


@pytest.mark.needs("kernel's PIDs")
def test_threads_and_children_are_followed_and_nobody_else_is(as_it_was: TraceFs) -> None:
    code = """
import os, threading
os.chdir("/")
threads = [threading.Thread(target=os.chdir, args=("/",)) for _ in range(3)]
[each.start() for each in threads]; [each.join() for each in threads]
for _ in range(2):
    if os.fork() == 0:
        os.chdir("/")
        os._exit(0)
    os.wait()
"""
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            os.chdir(".")
            time.sleep(0.001)

    other = threading.Thread(target=others)
    other.start()
    try:
        host = LiveHost()
        with Session(as_it_was, host) as session:
            target = Target.start(host, python(code))
            session.follow(target.tids)
            session.enable("syscalls", "sys_enter_chdir")
            session.start()
            target.release()
            events = _events(session, target)
    finally:
        done.set()
        other.join()
    tids: Set[int] = {event.pid for event in events}
    assert len(events) == 6
    assert len(tids) == 6
    assert os.getpid() not in tids


@pytest.mark.needs("kernel's PIDs")
def test_threads_that_are_there_already_are_followed_too(as_it_was: TraceFs) -> None:
    code = """
import os, sys, threading
go = threading.Event()
def run():
    go.wait()
    os.chdir("/")
threads = [threading.Thread(target=run) for _ in range(50)]
[each.start() for each in threads]
print("ready", flush=True)
sys.stdin.readline()
go.set()
[each.join() for each in threads]
"""
    child = subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    host = LiveHost()
    with Session(as_it_was, host) as session:
        target = Target.attach(host, child.pid)
        session.follow(target.tids)
        session.enable("syscalls", "sys_enter_chdir")
        session.start()
        child.communicate("\n")
        assert len({event.pid for event in _events(session, target)}) == 50


def test_a_session_stops_by_itself_at_its_deadline(as_it_was: TraceFs) -> None:
    with Session(as_it_was, LiveHost(), deadline_s=0.2) as session:
        session.enable("sched", "sched_switch")
        session.start()
        assert session.instance.read("tracing_on") == "1\n"
        end = time.monotonic() + 20
        while not session.deadline_reached and time.monotonic() < end:
            time.sleep(0.05)
        assert session.instance.read("tracing_on") == "0\n"
        assert session.notes[-1] == "tracing ended at its deadline, after 0.2 s"


def test_the_deadline_of_a_session_holds_beside_a_shorter_one_and_in_any_thread(as_it_was: TraceFs) -> None:
    host = LiveHost()
    with Session(as_it_was, host, deadline_s=0.4) as first:
        first.start()
        with Session(as_it_was, host, deadline_s=100) as second:
            second.start()
        end = time.monotonic() + 20
        while not first.deadline_reached and time.monotonic() < end:
            time.sleep(0.02)
        assert (first.deadline_reached, second.deadline_reached) == (True, False)

    def in_a_thread() -> None:
        with Session(as_it_was, host, deadline_s=0.1) as session:
            session.start()
            for _ in session.chunks(lambda: False, round_s=0.02):
                pass
            reached.append(session.deadline_reached)

    reached: List[bool] = []
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join(timeout=30)
    assert reached == [True]


@pytest.mark.needs("kernel's PIDs")
def test_what_a_buffer_loses_is_counted(as_it_was: TraceFs) -> None:
    host = LiveHost()
    with Session(as_it_was, host, buffer_kib_per_cpu=64) as session:
        target = Target.start(
            host, ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=50000", "status=none"]
        )
        session.follow(target.tids)
        session.enable("raw_syscalls", "sys_enter")
        session.start()
        target.release()
        while not target.ended():
            time.sleep(0.01)
        session.stop()
        seen = len(_events(session, target))
        assert session.lost() > 50000
        read = sum(each.read for each in session.stats())
        assert seen == read
        assert seen + session.lost() > 100000


def test_a_filter_that_is_wrong_shows_the_kernels_words_and_caret(as_it_was: TraceFs) -> None:
    with Session(as_it_was, LiveHost()) as session, pytest.raises(TraceFsError) as caught:
        session.enable("sched", "sched_switch", "nosuch == 1")
    lines = str(caught.value).split("\n")
    assert "'nosuch == 1'" in lines[0]
    assert lines[1:3] == ["the kernel says: Field not found", "  nosuch == 1"]
    assert lines[3].strip() == "^"


@pytest.mark.needs("kernel's PIDs")
def test_a_command_that_cannot_be_run_is_told_and_leaves_nothing(as_it_was: TraceFs, tmp_path: Path) -> None:
    program = tmp_path / "empty"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    host = LiveHost()
    with Session(as_it_was, host) as session:
        target = Target.start(host, [str(program)])
        session.follow(target.tids)
        session.start()
        with pytest.raises(CannotRun, match="Exec format error"):
            target.release()
    assert left_by(as_it_was, os.getpid()) == []


@pytest.mark.needs("kernel's PIDs")
def test_a_dry_run_writes_nothing(as_it_was: TraceFs) -> None:
    planned = PlannedTraceFs(as_it_was)
    before = as_it_was.list("instances")
    with Session(planned, LiveHost()) as session:
        session.follow([1])
        session.enable("sched", "sched_switch", "prev_pid > 0")
        session.start()
        assert [each for each in as_it_was.list("instances") if each not in before] == []
    told = [str(each) for each in planned.plan if session.name in str(each)]
    assert told[0] == f"mkdir {as_it_was.path(f'instances/{session.name}')}"
    assert told[-1] == f"rmdir {as_it_was.path(f'instances/{session.name}')}"
    enabled = f"{session.instance.path('events/sched/sched_switch')}/enable <- 1"
    filtered = f"{session.instance.path('events/sched/sched_switch')}/filter <- prev_pid > 0"
    assert told.index(filtered) < told.index(enabled)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_stream_and_leaves_nothing(as_it_was: TraceFs, number: int) -> None:
    running = start_kdiag("stream", "sched:sched_switch")
    assert running.stdout is not None
    for line in running.stdout:
        if "sched_switch" in line:
            break
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert left_by(as_it_was, running.pid) == []
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert running.returncode == 0
        assert "it was interrupted" in out
    else:
        assert running.returncode == 3


def test_a_closed_pipe_ends_a_stream_quietly(as_it_was: TraceFs) -> None:
    running = start_kdiag("stream", "sched:sched_switch")
    assert running.stdout is not None and running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=60) == 0
    assert running.stderr.read() == ""
    running.stderr.close()
    assert left_by(as_it_was, running.pid) == []


def test_cleanup_says_what_it_removes_and_a_dry_run_only_says_it(as_it_was: TraceFs) -> None:
    for _ in range(5):
        victim = _victim()
        _killed(victim)
        left = left_by(as_it_was, victim.pid)
        dry = kdiag("cleanup", "--dry-run")
        still = left_by(as_it_was, victim.pid)
        done = kdiag("cleanup")
        assert (done.returncode, left_by(as_it_was, victim.pid)) == (0, [])
        # Any other kdiag that starts on this machine cleans up as well.
        if f"kdiag-{victim.pid}-" in done.stdout:
            assert still == left != []
            assert f"rmdir {as_it_was.path('instances')}/kdiag-{victim.pid}-" in dry.stdout
            return
    pytest.skip("others on this machine clean up all the time")


@pytest.mark.needs("kernel's PIDs")
def test_the_command_gets_none_of_kdiags_descriptors(as_it_was: TraceFs) -> None:
    code = "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"
    done = kdiag("count", "sched:sched_switch", "--json", "--", *python(code))
    assert done.returncode == 0
    # 3 is the folder that is being listed.
    assert done.stderr == "['0', '1', '2', '3']\n"


def test_find_tracefs_gives_one_that_can_be_written(as_it_was: TraceFs) -> None:
    assert find_tracefs(LiveHost()).read("current_tracer") == as_it_was.read("current_tracer")


def test_symbols_are_where_readelf_says() -> None:
    program = os.path.realpath(sys.executable)
    try:
        out = subprocess.run(["readelf", "-Ws", program], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("readelf is not installed")
    rows = [line.split() for line in out.splitlines()]
    wanted = {
        row[7].partition("@")[0]
        for row in rows
        if len(row) > 7 and row[3] in ("FUNC", "IFUNC") and row[6] != "UND"
    }
    assert set(functions_of(program)) == wanted
