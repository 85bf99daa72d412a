"""What BPF, BCC and tracefs refuse is said before the begin, so that the next mechanism is tried."""

import errno
from typing import Any, Callable, ContextManager

import pytest

from kdiag.ebpf.btf import NoBtf
from kdiag.ebpf.syscall import BpfError
from kdiag.ftrace.tracefs import NoTraceFs
from kdiag.host.base import ReadError
from kdiag.host.memory import MemoryHost
from kdiag.tools.bcc_run import BccPlan, collecting_by_bcc
from kdiag.tools.bpf_run import BpfPlan, collecting
from kdiag.tools.ftrace_run import TraceEvent, tracing
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse

WAYS = {
    "bpf": lambda run: collecting(run, lambda request: BpfPlan((), ())),
    "bcc": lambda run: collecting_by_bcc(run, lambda request: BccPlan("", ())),
    "ftrace": lambda run: tracing(run, [TraceEvent("sched", "sched_switch")]),
}


def raising(error: Exception) -> Callable[..., Any]:
    def function(*arguments: Any, **options: Any) -> Any:
        raise error

    return function


def refused(way: Callable[[Run], ContextManager[Any]]) -> CannotUse:
    run = Run(MemoryHost([{}]), {})
    with pytest.raises(CannotUse) as told, way(run):
        pytest.fail("it began")
    assert not run.begun
    return told.value


@pytest.mark.parametrize("name", sorted(WAYS))
def test_of_a_host_that_is_not_live_nothing_can_be_asked(name: str) -> None:
    assert refused(WAYS[name]).reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoBtf("no types: /sys/kernel/btf/vmlinux is not there"), "no types"),
        (ReadError.from_errno("/sys/kernel/btf/vmlinux", errno.EACCES), "not permitted"),
        (NotImplementedError("not on this machine"), "not on this machine"),
    ],
)
def test_without_types_there_are_no_programs(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdiag.tools.bpf_run.read_btf", raising(error))
    assert told in refused(WAYS["bpf"]).reason


def test_what_the_kernel_refuses_to_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdiag.tools.bpf_run.read_btf", lambda host: object())
    error = BpfError(errno.EPERM, "load a program")
    monkeypatch.setattr("kdiag.tools.bpf_run.load", raising(error))
    assert refused(WAYS["bpf"]).reason == str(error)


def test_how_to_get_tracefs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    error = NoTraceFs("not permitted", "run kdiag as root")
    monkeypatch.setattr("kdiag.tools.ftrace_run.find_tracefs", raising(error))
    told = refused(WAYS["ftrace"])
    assert (told.reason, told.remedy) == ("not permitted", "run kdiag as root")
