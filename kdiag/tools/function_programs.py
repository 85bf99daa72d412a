"""Ways to attach programs to functions through bpf(2), best first.

Kernel functions: all at once (``kprobe_multi``, 5.18), a kprobe each, or fentry, which
lockdown=confidentiality allows where it refuses kprobes. Functions of programs: a uprobe each. Which of them
a kernel takes is found out by trying.
"""

from contextlib import ExitStack, contextmanager
from typing import Callable, Iterator, List, Sequence

from kdiag.ebpf.collector import Collector
from kdiag.ftrace.places import Place
from kdiag.records import NamedTuple
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse

__all__ = ["Way", "attach_to", "bcc_name", "collecting_best", "ways_for"]


class Way(NamedTuple):
    """How programs are attached at entry and return; ``registers`` tells what they find behind r1.

    A way that does ``many`` has one program for all, which asks for its cookie; else each place has its own.
    """

    name: str
    entry: str
    leave: str
    registers: bool
    many: bool = False


_KERNEL = (
    Way("kprobe_multi", "kprobe_multi", "kretprobe_multi", True, True),
    Way("kprobes", "kprobe", "kretprobe", True),
    Way("fentry", "fentry", "fexit", False),
)
_USER = (Way("uprobes", "uprobe", "uretprobe", True),)


def ways_for(places: Sequence[Place]) -> Sequence[Way]:
    """Return the ways for these places, which must be all of the kernel or all of programs."""
    user = [place.offset is not None for place in places]
    if any(user) and not all(user):
        raise CannotUse(
            "functions of the kernel and of programs are attached to in different ways: ask twice"
        )
    return _USER if all(user) else _KERNEL


def attach_to(place: Place, root: str) -> str:
    """Return what a program of one place is attached to."""
    if place.offset is None:
        return place.probe.what
    return f"{root.rstrip('/')}{place.probe.where}:{place.offset}"


def bcc_name(place: Place, root: str) -> str:
    """Return what BCC calls the place: a uprobe's is by the address that its file gives it."""
    if place.offset is None:
        return place.probe.what
    return f"{root.rstrip('/')}{place.probe.where}:{place.probe.what}"


@contextmanager
def collecting_best(
    run: Run, places: Sequence[Place], plan_of: Callable[[Way, Request], BpfPlan]
) -> Iterator[Collector]:
    """Collect in the first way that this kernel takes; all refusals are told where none does."""
    refused: List[str] = []
    with ExitStack() as stack:
        for way in ways_for(places):
            run.plan.clear()
            try:
                collector = stack.enter_context(
                    collecting(run, lambda request, way=way: plan_of(way, request))  # type: ignore[misc]
                )
                break
            except CannotUse as error:
                refused.append(f"{way.name}: {error.reason}")
        else:
            raise CannotUse("; ".join(refused))
        if refused:
            first = [each.partition("\n")[0] for each in refused]
            run.notes.append(f"attached by {way.name}; {'; '.join(first)}")
        yield collector
