"""Kernel stacks seen during one call, merged into a partial tree of calls.

The kernel writes a stack with each trace event. Two stacks that follow each other share their outer frames;
what they share, call site by call site, is taken for the same calls, still going on. A function that is on
the later stack only was called in between, and one that is on the earlier stack only has returned.

What that can and cannot tell: that a function was called is seen. Its times are those of the first and the
last stack that show it, so it took *at least* so long; one seen once has a duration of 0. A function called
twice from the same call site with nothing seen in between looks like one call (``hits`` counts the stacks).
Functions without a trace event below them are not seen, and neither are inlined ones and those that went on
to another function by a tail call.
"""

import re
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from kdiag.path.call import Call
from kdiag.records import NamedTuple

__all__ = ["Frame", "StackCleaner", "StackTree", "clean", "is_entry", "is_interrupt_entry", "is_tracer"]

#: Frames of the tracing itself, on top of the function that has the trace event: the event's own code
#: (TRACE_EVENT() of include/trace/trace_events.h and include/linux/tracepoint.h) and what it calls.
_TRACER = re.compile(
    r"(?:do_)?(?:trace_event_raw_event_|perf_trace_)|__traceiter_|__do_trace_|__bpf_trace_|__ftrace_trace_stack"
    r"|trace_event_buffer_|trace_buffer_unlock_commit|f?trace_syscall_(?:enter|exit)|event_triggers_(?:call|post)"
    r"|ring_buffer_(?:lock_reserve|unlock_commit)|trace_function$|__trace_stack$"
).match
#: How the kernel is entered for a system call, below the call's own function: x86, arm64, arm, riscv, s390,
#: powerpc, loongarch (arch/*/entry*, arch/*/kernel/syscall.c).
_ENTRY = re.compile(
    r"entry_SYS|entry_INT80|int80_emulation|asm_int80|do_(?:syscall_64|fast_syscall_32|int80_|SYSENTER)|__do_fast_syscall_32"
    r"|(?:x64|ia32|x32)_sys_call$|ret_from_fork|el0t?_(?:64_|32_)?(?:sync|svc)|do_el0_svc|el0_svc|invoke_syscall"
    r"|ret_fast_syscall|do_trap_ecall_u|handle_exception$|ret_from_exception|system_call|__do_syscall$"
    r"|handle_syscall$|do_syscall$|syscall_enter_from_user_mode|syscall_trace_enter|syscall_exit_|exit_to_user_mode"
).match
#: Where an interrupt or exception begins, on the stack of what it interrupted.
_INTERRUPT = re.compile(
    r"asm_(?:sysvec_|common_interrupt|exc_|spurious)|el1h?_(?:64_)?(?:irq|fiq|sync)|el1_(?:irq|sync)|__irq_svc"
    r"|do_IRQ$|ret_from_intr|apic_timer_interrupt|common_interrupt$|call_function_interrupt|reschedule_interrupt"
).match
#: More functions than that in one call are not kept apart any more.
MOST_CALLS = 20_000


class Frame(NamedTuple):
    """A place on a stack: the return address, the function that it lies in, and its module."""

    address: int
    function: str
    module: Optional[str] = None


def is_tracer(function: str) -> bool:
    """Tell whether a function belongs to the tracing, not to what is traced.

    >>> is_tracer("trace_event_raw_event_block_rq"), is_tracer("vfs_read")
    (True, False)
    """
    return _TRACER(function) is not None


def is_entry(function: str) -> bool:
    """Tell whether a function is the way into the kernel that all system calls share.

    >>> is_entry("entry_SYSCALL_64_after_hwframe"), is_entry("el0t_64_sync_handler"), is_entry("ksys_read")
    (True, True, False)
    """
    return _ENTRY(function) is not None


def is_interrupt_entry(function: str) -> bool:
    """Tell whether an interrupt or exception begins here.

    >>> is_interrupt_entry("asm_sysvec_apic_timer_interrupt"), is_interrupt_entry("el1h_64_irq")
    (True, True)
    """
    return _INTERRUPT(function) is not None


class StackCleaner:
    """Turns stacks of addresses into frames, outermost first, without the tracer's and the entry's own."""

    def __init__(self, symbol: Callable[[int], Tuple[str, Optional[str]]]) -> None:
        self._symbol = symbol
        self._frames: Dict[int, Frame] = {}
        self._stacks: Dict[Tuple[int, ...], Tuple[Frame, ...]] = {}

    def __call__(self, stack: Sequence[int]) -> Tuple[Frame, ...]:
        """Return the frames of a stack of addresses, innermost first."""
        key = tuple(stack)
        found = self._stacks.get(key)
        if found is None:
            if len(self._stacks) >= MOST_CALLS:  # a bound on memory; most stacks come again and again
                self._stacks.clear()
            found = self._stacks[key] = clean([self._frame(address) for address in reversed(key)])
        return found

    def frames(self) -> List[Frame]:
        """Return every place that was on a stack, by address."""
        return [self._frames[address] for address in sorted(self._frames)]

    def _frame(self, address: int) -> Frame:
        found = self._frames.get(address)
        if found is None:
            # A return address; a call that never returns can be the last thing in its function.
            function, module = self._symbol(address - 1)
            found = self._frames[address] = Frame(address, function, module)
        return found


def clean(frames: Sequence[Frame]) -> Tuple[Frame, ...]:
    """Leave out what is not the call's own: the way into the kernel (outermost), and the tracer.

    An interrupt may come while the tracer is at work: what the interrupt does is kept.
    """
    start = 0
    while start < len(frames) and is_entry(frames[start].function):
        start += 1
    kept: List[Frame] = []
    skipping = False
    for frame in frames[start:]:
        if is_interrupt_entry(frame.function):
            skipping = False
        elif is_tracer(frame.function):
            skipping = True
        if not skipping:
            kept.append(frame)
    return tuple(kept)


class StackTree:
    """The tree of one call, built from the stacks seen during it, in the order of time."""

    def __init__(self, root: Call, most_calls: int = MOST_CALLS) -> None:
        self.root = root
        self.calls = 1
        self.not_kept = 0
        """Stacks that showed calls that were not kept, for there were too many."""
        self.stacks = 0
        #: The calls that the last stack showed, from the root on, and the call site of each in its caller.
        self._open: List[Tuple[Call, int]] = [(root, 0)]
        self._most = most_calls

    def add(self, ts_ns: int, frames: Sequence[Frame], seen: bool = True) -> Call:
        """Merge a stack (outermost first); return the innermost call that it shows.

        ``seen=False``: it is known to be the stack at that time, but no event was there (a task that goes on
        where it slept).
        """
        if frames and frames[0].function == self.root.function:
            outer, frames = frames[0].address, frames[1:]
        else:
            outer = 0
        depth, site = 0, outer
        for frame in frames:
            if depth + 1 >= len(self._open):
                break
            call, call_site = self._open[depth + 1]
            if call_site != site or call.function != frame.function or call.module != frame.module:
                break
            depth, site = depth + 1, frame.address
        del self._open[depth + 1 :]
        for call, _ in self._open[1:]:
            _extend(call, ts_ns)
        is_new = depth < len(frames)
        for frame in frames[depth:]:
            if self.calls >= self._most:
                self.not_kept += 1
                break
            new = Call(frame.function, frame.module, ts_ns, ts_ns, 0, inferred=True)
            self._open[-1][0].children.append(new)
            self._open.append((new, site))
            site = frame.address
            self.calls += 1
        innermost = self._open[-1][0]
        if seen:
            self.stacks += 1
            if not is_new and innermost is not self.root:
                innermost.hits += 1
        return innermost

    def path(self) -> Tuple[Call, ...]:
        """Return the calls that the last stack showed, from the root to the innermost."""
        return tuple(call for call, _ in self._open)


def _extend(call: Call, ts_ns: int) -> None:
    call.end_ns = ts_ns
    if call.start_ns is not None:
        call.duration_ns = ts_ns - call.start_ns
