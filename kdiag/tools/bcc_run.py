"""What mechanisms on BCC do alike: compile, attach, follow, begin, and tell what was lost.

BCC only compiles and attaches, in a process of its own. Its maps have the layouts of kdiag's own programs, so
what reads them is the same (:mod:`kdiag.tools.bpf_run`).
"""

from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping

from kdiag.ebpf.bcc.collector import BccPlan, collect
from kdiag.ebpf.bcc.failures import BccError
from kdiag.ebpf.bcc.prelude import FOLLOWING_HOOKS
from kdiag.ebpf.btf import Btf, NoBtf, read_btf
from kdiag.ebpf.collector import Collector
from kdiag.ebpf.pieces import Watch
from kdiag.ebpf.syscall import BpfError
from kdiag.host.base import ReadError
from kdiag.kernel.machine import machine_of
from kdiag.records import NamedTuple
from kdiag.tools.bpf_run import begin, cannot, own_tgid, tell_losses
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse

__all__ = ["BccPlan", "BccRequest", "collecting_by_bcc"]


class BccRequest(NamedTuple):
    """What a plan is made for."""

    btf: Btf
    machine: str
    options: Mapping[str, Any]


@contextmanager
def collecting_by_bcc(
    run: Run,
    plan_of: Callable[[BccRequest], BccPlan],
    fill: Callable[[Collector], object] = lambda collector: None,
) -> Iterator[Collector]:
    """Set up and begin; yields the collector, which is stopped and closed at the end.

    ``fill`` may put into the maps what the programs need to know, before they are attached.

    Raises :exc:`~kdiag.tools.tool.CannotUse` before it has begun.
    """
    if run.host.kind != "live":
        raise CannotUse("a recording has no kernel to load programs into")
    try:
        btf = read_btf(run.host)
        plan = plan_of(BccRequest(btf, machine_of(run.host) or "", run.options))
        watch = Watch(run.target is not None, own_tgid(run))
        hooks = (*plan.hooks, *(FOLLOWING_HOOKS if watch.follow else ()))
        run.plan += [f"bcc: {each.function} attached to {each.kind}:{each.name}" for each in hooks]
        collector = _nothing() if run.dry_run else collect(run.host, plan, watch, btf)
        with collector:
            if not run.dry_run:
                fill(collector)
            collector.attach()
            begin(run, collector)
            try:
                yield collector
            finally:
                collector.stop()
                tell_losses(run, collector)
    except BccError as error:
        raise CannotUse(f"{error.step}: {error.reason}", error.remedy) from None
    except BpfError as error:
        raise cannot(error) from None
    except (NoBtf, ReadError, NotImplementedError) as error:
        raise CannotUse(str(error)) from None


def _nothing() -> Collector:
    return Collector({}, lambda: None, lambda: None)
