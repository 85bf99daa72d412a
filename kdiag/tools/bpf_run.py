"""What mechanisms on BPF do alike: load, follow, begin, and tell what was lost.

A tool gives a plan: maps and programs for a :class:`~kdiag.ebpf.pieces.Watch`. Refusals become
:exc:`~kdiag.tools.tool.CannotUse`, so that the next mechanism is tried.
"""

import errno
import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Mapping, Tuple

from kdiag.ebpf.btf import Btf, NoBtf, read_btf
from kdiag.ebpf.collector import Collector, load
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.pieces import LOSSES, Watch, following_programs
from kdiag.ebpf.program import ProgramSpec
from kdiag.ebpf.syscall import BpfError
from kdiag.host.base import ReadError
from kdiag.kernel.machine import machine_of
from kdiag.records import NamedTuple
from kdiag.tools.run import Lost, Run
from kdiag.tools.tool import CannotUse

__all__ = ["BpfPlan", "Request", "collecting", "own_tgid"]

_AS_ROOT = "run as root (CAP_BPF and CAP_PERFMON)"
_FOR_ROOT = (
    "lift the policy that refuses it to root (lockdown, a security module, seccomp in a container); before "
    "5.11 raise RLIMIT_MEMLOCK"
)


class BpfPlan(NamedTuple):
    """The maps and the programs of a tool, without those that following takes."""

    maps: Tuple[MapSpec, ...]
    programs: Tuple[ProgramSpec, ...]


class Request(NamedTuple):
    """What a plan is made for."""

    watch: Watch
    btf: Btf
    machine: str
    options: Mapping[str, Any]


@contextmanager
def collecting(
    run: Run,
    plan_of: Callable[[Request], BpfPlan],
    fill: Callable[[Collector], object] = lambda collector: None,
) -> Iterator[Collector]:
    """Set up and begin; yields the collector, which is stopped and closed at the end.

    ``fill`` may put into the maps what the programs need to know, before they are attached.

    Raises :exc:`~kdiag.tools.tool.CannotUse` before it has begun.
    """
    with _loaded(run, plan_of) as collector:
        try:
            if not run.dry_run:
                fill(collector)
            collector.attach()
        except BpfError as error:
            raise cannot(error) from None
        begin(run, collector)
        try:
            yield collector
        finally:
            collector.stop()
            tell_losses(run, collector)


@contextmanager
def _loaded(run: Run, plan_of: Callable[[Request], BpfPlan]) -> Iterator[Collector]:
    try:
        btf = read_btf(run.host)
        follow = run.target is not None
        watch = Watch(follow, own_tgid(run))
        plan = plan_of(Request(watch, btf, machine_of(run.host) or "", run.options))
        # At the end of a thread, what is to be told of it comes before it is forgotten.
        programs: List[ProgramSpec] = [*plan.programs, *(following_programs(btf) if follow else ())]
        maps = (*watch.maps, LOSSES, *plan.maps)
        run.plan += [f"bpf: map {each.name}: {each.kind}, {each.max_entries} entries" for each in maps]
        run.plan += [
            f"bpf: program {each.name}, {len(each.code.instructions)} instructions, attached to "
            f"{each.kind}:{each.attach_to}: {each.says}"
            for each in programs
        ]
        if run.dry_run:
            maps, programs = (), []
        collector = load(run.host, btf, maps, programs)
    except BpfError as error:
        raise cannot(error) from None
    except (NoBtf, ReadError, NotImplementedError) as error:
        raise CannotUse(str(error)) from None
    with collector:
        yield collector


def begin(run: Run, collector: Collector) -> None:
    """Follow the target, and begin."""
    if run.target is not None and not run.dry_run:
        collector.follow(run.target.tids)
    run.begin()


def tell_losses(run: Run, collector: Collector) -> None:
    """Say what could not be kept."""
    losses = collector.losses()
    run.lost = Lost(losses.events, losses.map_entries, losses.stacks)


def own_tgid(run: Run) -> int:
    """Return kdiag's own process id, as the kernel knows it."""
    return run.host.facts.reader_pid or os.getpid()


def cannot(error: BpfError) -> CannotUse:
    """Say why BPF does not do, and what may help."""
    if error.errno not in (errno.EPERM, errno.EACCES) or error.log:
        return CannotUse(str(error))
    return CannotUse(str(error), _AS_ROOT if os.geteuid() else _FOR_ROOT)
