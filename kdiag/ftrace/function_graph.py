"""Text of the function_graph tracer, line by line."""

from typing import Optional

from kdiag.records import NamedTuple

__all__ = ["GraphLine"]


class GraphLine(NamedTuple):
    """One line. ``kind`` says what it is, and what it has; everything else is ``None``.

    =============  =========================================================================================
    entry          a function begins: function, module, depth, args, caller
    leaf           a function that called nothing that is traced: as entry, with duration and retval
    return         a function ends: depth, duration, retval; function only where the kernel names it
    comment        an event, or what was written to trace_marker: text
    irq_entry      an interrupt begins (``==========>``)
    irq_exit       an interrupt ends
    switch         the CPU goes on with another task: comm and pid are those of the new one
    lost           events of the CPU were lost: lost_events, or ``None`` where the number is not known
    cut            a line that the kernel found too long to print (``[LINE TOO BIG]``)
    =============  =========================================================================================

    ``retval`` is the register as a signed 64-bit number; a function that returns ``void`` leaves anything in
    it.
    """

    kind: str
    line: int
    cpu: Optional[int] = None
    comm: Optional[str] = None
    pid: Optional[int] = None
    ts_ns: Optional[int] = None
    duration_ns: Optional[int] = None
    depth: Optional[int] = None
    function: Optional[str] = None
    module: Optional[str] = None
    args: Optional[str] = None
    retval: Optional[int] = None
    caller: Optional[str] = None
    text: Optional[str] = None
    flags: Optional[str] = None
    lost_events: Optional[int] = None
