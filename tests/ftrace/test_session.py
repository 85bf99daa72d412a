import os
import signal
from pathlib import Path
from typing import List, Optional

import pytest

from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.lock import OWNER, is_held
from kdiag.ftrace.session import CannotFollow, NotTornDown, Session, parse_stats
from kdiag.ftrace.tracefs import PlannedTraceFs, TraceFs, TraceFsError
from tests.ftrace.tracefs_folder import FolderTraceFs, LiveMemoryHost, tracefs_in

NAME = "kdiag-1000-4242"
I = f"/T/instances/{NAME}"  # noqa: E741 - as the kernel's people write it


def _plan(tmp_path: Path) -> List[str]:
    planned = PlannedTraceFs(tracefs_in(tmp_path))
    with Session(planned, LiveMemoryHost({}), buffer_kib_per_cpu=1024) as session:
        probes = DynamicEvents(session)
        session.follow([7, 8])
        session.enable(*probes.kernel_function("kprobe", "vfs_read"))
        session.enable("sched", "sched_switch", "prev_pid > 0")
        session.trigger("sched", "sched_switch", "hist:keys=prev_pid")
        session.start()
        session.stop()
    return list(map(str, planned.plan))


def test_everything_is_set_up_in_order_and_undone_in_reverse(tmp_path: Path) -> None:
    assert _plan(tmp_path) == [
        f"mkdir {I}",
        f"{I}/tracing_on <- 0",
        f"{I}/options/disable_on_free <- 1",
        f"{I}/options/overwrite <- 1",
        f"{I}/options/stacktrace <- 0",
        f"{I}/options/event-fork <- 0",
        f"hold {I}/free_buffer",
        f"{I}/trace_clock <- mono",
        f"{I}/buffer_size_kb <- 1024",
        f"{I}/buffer_percent <- 25",
        f"{I}/options/event-fork <- 1",
        f"{I}/set_event_pid += 7 8",
        "/T/kprobe_events += p:kdiag_1000_4242/vfs_read_1000_4242 vfs_read",
        f"{I}/events/kdiag_1000_4242/vfs_read_1000_4242/enable <- 1",
        f"{I}/events/sched/sched_switch/filter <- prev_pid > 0",
        f"{I}/events/sched/sched_switch/enable <- 1",
        f"{I}/events/sched/sched_switch/trigger += hist:keys=prev_pid",
        f"{I}/tracing_on <- 1",
        f"{I}/tracing_on <- 0",
        f"{I}/tracing_on <- 0",
        f"{I}/events/sched/sched_switch/trigger += !hist:keys=prev_pid",
        f"{I}/events/enable <- 0",
        "/T/kprobe_events += -:kdiag_1000_4242/vfs_read_1000_4242",
        f"rmdir {I}",
    ]


def test_the_instance_is_locked_while_the_session_lives(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    with Session(top, LiveMemoryHost({})) as session:
        assert session.name == NAME
        assert is_held(top.below(f"instances/{NAME}"), OWNER)
        with Session(top, LiveMemoryHost({})) as second:
            assert second.name == f"{NAME}-1"
    assert top.list("instances") == []


@pytest.mark.parametrize(
    ("asked", "available_kib", "cpus", "got"),
    [
        (None, 4 << 20, 2, 8192),  # the usual
        (None, 4 << 20, 64, 1310),  # 2% of what is available, for each of 64 CPUs
        (100_000, 4 << 20, 2, 41943),
        (1, 4 << 20, 2, 64),
        (None, 1024, 2, 64),
    ],
)
def test_buffers_never_take_more_than_their_share_of_memory(
    tmp_path: Path, asked: int, available_kib: int, cpus: int, got: int
) -> None:
    host = LiveMemoryHost(
        {
            "/proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {available_kib} kB\n".encode(),
            "/sys/devices/system/cpu/online": f"0-{cpus - 1}\n".encode(),
        }
    )
    with Session(tracefs_in(tmp_path), host, buffer_kib_per_cpu=asked) as session:
        assert session.buffer_kib_per_cpu == got
        assert bool(session.notes) == (asked == 100_000)


def test_threads_are_asked_for_until_no_new_one_shows_up(tmp_path: Path) -> None:
    answers = iter(([1], [1, 2], [1, 2, 3], [1, 2, 3]))
    with Session(tracefs_in(tmp_path), LiveMemoryHost({})) as session:
        session.follow(lambda: next(answers))
        assert session.instance.read("set_event_pid") == "123"


def test_in_a_pid_namespace_of_its_own_kdiag_follows_nobody_and_says_so(tmp_path: Path) -> None:
    host = LiveMemoryHost({}, links={"/proc/1/ns/pid": "pid:[4026532179]"})
    with Session(tracefs_in(tmp_path), host) as session:
        with pytest.raises(CannotFollow, match="--root /host"):
            session.follow([7])
        session.exclude_self()
        assert session.instance.read("set_event_pid") == session.instance.read("set_event_notrace_pid") == ""
        assert session.notes == ["kdiag's own events are not left out: it runs in a PID namespace of its own"]


def test_many_threads_go_in_several_writes(tmp_path: Path) -> None:
    planned = PlannedTraceFs(tracefs_in(tmp_path))
    with Session(planned, LiveMemoryHost({})) as session:
        session.follow(range(1, 101))
    written = [each.text for each in planned.plan if each.path.endswith("set_event_pid")]
    assert [len(text.split()) for text in written] == [64, 36]


class _WithoutFreeBuffer(FolderTraceFs):
    def mkdir(self, name: str) -> None:
        super().mkdir(name)
        os.unlink(self.open_path(f"{name}/free_buffer"))


def test_a_set_up_that_fails_leaves_nothing(tmp_path: Path) -> None:
    tracefs_in(tmp_path)
    top = _WithoutFreeBuffer(str(tmp_path), shown="/T")
    held = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TraceFsError, match="free_buffer"):
        Session(top, LiveMemoryHost({}))
    assert top.list("instances") == []
    assert len(os.listdir("/proc/self/fd")) == held


def test_a_signal_that_had_to_wait_for_the_set_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up = Session._set_up

    def interrupted(session: Session, buffer_kib_per_cpu: Optional[int]) -> None:
        set_up(session, buffer_kib_per_cpu)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Session, "_set_up", interrupted)
    top = tracefs_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Session(top, LiveMemoryHost({}))
    assert top.list("instances") == []


def test_what_cannot_be_undone_is_told_and_the_rest_is_undone(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)

    def fails() -> None:
        raise TraceFsError("/T/kprobe_events", 16, "-:kdiag_1000_4242/x")

    with (
        pytest.raises(NotTornDown, match=r"kdiag cleanup.*\n/T/kprobe_events.*EBUSY"),
        Session(top, LiveMemoryHost({})) as session,
    ):
        session.on_close(fails)
    assert top.list("instances") == []


def test_an_instance_that_somebody_else_removed_is_no_error(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    with Session(top, LiveMemoryHost({})) as session:
        session.enable("sched", "sched_switch")
        top.rmdir(f"instances/{session.name}")
        os.makedirs(top.open_path(f"instances/{session.name}"))  # rmdir in the folder has to find one


def test_a_kernel_without_instances_is_told(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    os.rmdir(tmp_path / "instances")
    with pytest.raises(TraceFsError, match="this kernel has no instances"):
        Session(top, LiveMemoryHost({}))


def test_stats_that_do_not_tell_loss_are_an_error() -> None:
    with pytest.raises(ValueError, match="no overrun, commit overrun"):
        parse_stats(0, "entries: 1\ndropped events: 1\nread events: 1\n")


class _OldKernel(FolderTraceFs):
    """One where resizing any buffer makes the top level's one look expanded, and stay tiny (5.10)."""

    def write(self, name: str, text: str) -> None:
        super().write(name, text)
        if name == "buffer_size_kb" and self.top is not self:
            unused = self.top.read(name).partition(" (expanded")
            if unused[1]:
                self.top.write(name, unused[0] + "\n")

    def below(self, name: str) -> TraceFs:
        return _OldKernel(self.open_path(name), shown=self.path(name), top=self.top)


def test_the_unused_buffer_of_the_top_level_keeps_the_size_that_it_would_have_got(tmp_path: Path) -> None:
    tracefs_in(tmp_path, buffer_size_kb="7 (expanded: 1408)\n")
    top = _OldKernel(str(tmp_path), shown="/T")
    with Session(top, LiveMemoryHost({})):
        assert top.read("buffer_size_kb").strip() == "1408"
    assert top.read("buffer_size_kb").strip() == "1408"
