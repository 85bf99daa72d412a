"""What mechanisms on BCC do alike: compile, attach, follow, begin, and tell what was lost.

BCC only compiles and attaches, in a process of its own. Its maps have the layouts of kdiag's own programs, so
what reads them is the same (:mod:`kdiag.tools.bpf_run`).
"""

from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Tuple

from kdiag.ebpf.bcc import client
from kdiag.ebpf.bcc.client import BccHook, BccProgram
from kdiag.ebpf.bcc.failures import BccError
from kdiag.ebpf.bcc.prelude import FOLLOWING_HOOKS, PRELUDE, flags
from kdiag.ebpf.btf import Btf, NoBtf, read_btf
from kdiag.ebpf.collector import Collector, possible_cpus
from kdiag.ebpf.maps import Map, MapSpec, create_map
from kdiag.ebpf.pieces import EVENTS, FOLLOWED, LOSSES
from kdiag.ebpf.syscall import BpfError, raise_memlock
from kdiag.host.base import Host, ReadError
from kdiag.kernel.machine import machine_of
from kdiag.records import NamedTuple
from kdiag.tools.bpf_run import begin, cannot, own_tgid, tell_losses
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse

__all__ = ["BccPlan", "BccRequest", "collecting_by_bcc"]

_PERF_EVENTS = MapSpec(EVENTS.name, "perf_event_array", 4, 4, 0)


class BccPlan(NamedTuple):
    """A program's text in C, without the prelude; its flags, its hooks, and the maps that it declares."""

    text: str
    flags: Tuple[str, ...]
    hooks: Tuple[BccHook, ...]
    maps: Tuple[MapSpec, ...]
    sends_events: bool = False


class BccRequest(NamedTuple):
    """What a plan is made for."""

    btf: Btf
    machine: str
    options: Mapping[str, Any]


@contextmanager
def collecting_by_bcc(run: Run, plan_of: Callable[[BccRequest], BccPlan]) -> Iterator[Collector]:
    """Set up and begin; yields the collector, which is stopped and closed at the end.

    Raises :exc:`~kdiag.tools.tool.CannotUse` before it has begun.
    """
    if run.host.kind != "live":
        raise CannotUse("a recording has no kernel to load programs into")
    try:
        btf = read_btf(run.host)
        plan = plan_of(BccRequest(btf, machine_of(run.host) or "", run.options))
        collector = _load(run, plan, btf)
    except BccError as error:
        raise CannotUse(f"{error.step}: {error.reason}", error.remedy) from None
    except BpfError as error:
        raise cannot(error) from None
    except (NoBtf, ReadError, NotImplementedError) as error:
        raise CannotUse(str(error)) from None
    with collector:
        try:
            collector.attach()
        except BccError as error:
            raise CannotUse(f"{error.step}: {error.reason}", error.remedy) from None
        begin(run, collector)
        try:
            yield collector
        finally:
            collector.stop()
            tell_losses(run, collector)


def _load(run: Run, plan: BccPlan, btf: Btf) -> Collector:
    follow = run.target is not None
    events = _event_map(run.host) if plan.sends_events else None
    hooks = (*(FOLLOWING_HOOKS if follow else ()), *plan.hooks)
    maps = [LOSSES, *plan.maps, *([FOLLOWED] if follow else ()), *([events] if events else ())]
    run.plan += [f"bcc: map {each.name}: {each.kind}, {each.max_entries} entries" for each in maps]
    run.plan += [f"bcc: {each.function} attached to {each.kind}:{each.name}" for each in hooks]
    if run.dry_run:
        return Collector({}, lambda: None, lambda: None)
    prelude_flags = flags(
        own_tgid(run),
        follow_pid_offset=btf.offset("task_struct", "pid") if follow else None,
        events=None if events is None else events.kind,
    )
    program = BccProgram(PRELUDE + plan.text, (*prelude_flags, *plan.flags), hooks)
    process = client.load(program)
    try:
        cpus = possible_cpus(run.host)
        made = {each.name: Map(each, process.maps.pop(each.name), cpus) for each in maps}
        return Collector(made, process.attach, process.detach)
    except BaseException:
        process.close()
        raise


def _event_map(host: Host) -> MapSpec:
    """Return the kind of buffer that this kernel has for events."""
    raise_memlock()
    try:
        create_map(EVENTS, possible_cpus(host)).close()
    except BpfError:
        return _PERF_EVENTS
    return EVENTS
