"""Trials of tracefs and its events: something is traced that only kdiag does, and looked for in the trace."""

import os
from typing import TYPE_CHECKING, Callable

from kdiag.doctor.outcome import NotTried, Refused
from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.instance import pids_are_the_kernels
from kdiag.ftrace.session import Session

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = [
    "RARE",
    "event_fork",
    "event_stack",
    "events",
    "hist",
    "instances",
    "raw_buffers",
    "recorded",
    "run_child",
    "synthetic",
    "syscall_events",
    "tracefs",
]

#: An event that costs the machine nothing while it is enabled for a moment: a process ends.
RARE = ("sched", "sched_process_exit")
_ENDS = "sched_process_exit:"


def tracefs(bench: "Bench") -> str:
    """Find tracefs, or mount it where nobody sees it."""
    found = bench.tracefs
    return (
        f"mounted privately: nobody else sees it, {found.shown} stays empty"
        if found.is_private_mount
        else (f"mounted at {found.shown}")
    )


def instances(bench: "Bench") -> str:
    """Make an instance, set up as every trace of kdiag is, and remove it."""
    with bench.session():
        return ""


def events(bench: "Bench") -> str:
    """Record the end of a child."""
    with bench.session() as session:
        session.enable(*RARE)
        text = recorded(session, run_child)
    if _ENDS not in text:
        raise Refused("a child's end was not recorded", "the event could be enabled, but never fired")
    return ""


def event_stack(bench: "Bench") -> str:
    """Record the end of a child with the kernel's stack."""
    with bench.session() as session:
        session.option("stacktrace", True)
        session.enable(*RARE)
        text = recorded(session, run_child)
    if "<stack trace>" not in text or "do_exit" not in text:
        raise Refused(
            "no stack was recorded with an event", "this kernel was built without CONFIG_STACKTRACE"
        )
    return ""


def syscall_events(bench: "Bench") -> str:
    """Record a getppid(2) of one's own."""
    with bench.session() as session:
        if not session.instance.exists("events/syscalls/sys_enter_getppid"):
            raw = session.instance.exists("events/raw_syscalls/sys_enter")
            raise Refused(
                "there is no events/syscalls", "only numbers (raw_syscalls)" if raw else "built without them"
            )
        for event in ("sys_enter_getppid", "sys_exit_getppid"):
            session.enable("syscalls", event)
        text = recorded(session, os.getppid)
    if "sys_getppid(" not in text or "sys_getppid -> " not in text:
        raise Refused("a getppid(2) was not recorded", "the events could be enabled, but never fired")
    return ""


def raw_buffers(bench: "Bench") -> str:
    """Read the same from the binary buffer."""
    with bench.session() as session:
        session.enable(*RARE)
        session.start()
        run_child()
        session.stop()
        size = sum(len(pages) for _, pages in session.pages(0.1))
        page_bytes = session.page_layout.page_bytes
    if not size or size % page_bytes:
        raise Refused(f"{size} bytes in trace_pipe_raw", "no whole page could be read")
    return f"pages of {page_bytes} bytes"


def event_fork(bench: "Bench") -> str:
    """Trace oneself alone, and see a child that is born afterwards."""
    own = bench.host.facts.reader_pid
    if own is None or not pids_are_the_kernels(bench.host):
        raise NotTried(
            "not tried",
            "tracefs knows tasks by their ids in the initial PID namespace, and this is another",
            "run in the host's PID namespace, or see its /proc: --root /host",
        )
    with bench.session() as session:
        session.follow([own])
        session.enable(*RARE)
        text = recorded(session, run_child)
    if _ENDS not in text:
        raise Refused(
            "the end of a child was not recorded",
            "thread ids are those of the initial PID namespace, and this one may be another",
        )
    return ""


def hist(bench: "Bench") -> str:
    """Have the kernel count the end of a child."""
    with bench.session() as session:
        path = "/".join(("events", *RARE))
        told = session.instance.read(f"{path}/trigger")
        if " hist" not in told:
            raise Refused(
                f"no hist among the triggers of {':'.join(RARE)}", "built without CONFIG_HIST_TRIGGERS"
            )
        session.trigger(*RARE, "hist:keys=common_pid")
        run_child()
        counted = session.instance.read(f"{path}/hist")
    hits = [line.split(":")[1].strip() for line in counted.split("\n") if line.strip().startswith("Hits:")]
    if hits in ([], ["0"]):
        raise Refused("the end of a child was not counted", "the trigger was accepted, but never fired")
    return ""


def synthetic(bench: "Bench") -> str:
    """Define a synthetic event, and remove it."""
    with bench.session() as session:
        _, name = DynamicEvents(session).synthetic("trial", "u64 lat")
        if not session.instance.exists(f"events/synthetic/{name}"):
            raise Refused("a synthetic event was accepted, but is not there")
    return ""


def recorded(session: Session, act: Callable[[], object]) -> str:
    """Return the text of what an act leaves in the trace."""
    session.start()
    act()
    session.stop()
    return session.instance.read("trace")


def run_child() -> None:
    """Let a process begin and end."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
