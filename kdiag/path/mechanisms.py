"""The ways to see the path of a call, best first, and what each needs of the kernel and of the user."""

from typing import Mapping, Tuple

from kdiag.doctor.mechanism import Mechanism

__all__ = ["EXACT", "INFERRED", "MECHANISMS", "MECHANISMS_OF_ALL", "WHOLE"]

MECHANISMS: Tuple[Mechanism, ...] = (
    Mechanism("function_graph", ("tracefs", "function_graph"), "every function of the call, timed"),
    Mechanism(
        "boundaries",
        ("tracefs", "kprobes", "kretprobes"),
        "the functions at which layers meet, timed by probes",
    ),
    Mechanism(
        "stitch",
        ("tracefs", "instances", "syscall_events", "event_stack"),
        "begin and end exactly, in between the stacks of the events on the way",
    ),
    Mechanism("samples", ("proc_stack",), "samples of /proc/PID/syscall, wchan and stack"),
    Mechanism("wchan", ("proc_wchan",), "samples of /proc/PID/wchan and state"),
)

#: For all system calls at once: single calls are not kept, a loop of small ones makes millions a second.
MECHANISMS_OF_ALL: Tuple[Mechanism, ...] = (
    Mechanism("bpf", ("bpf",), "programs at begin and end of every call sum up in the kernel, by name"),
    Mechanism(
        "raw_syscalls",
        ("tracefs", "instances", "syscall_events"),
        "begin, end and result of every call, summed up by name",
    ),
    *MECHANISMS[-2:],
)

#: Whose trees are whole: what a function did not spend in what it called, it spent itself.
WHOLE = frozenset(("function_graph",))

#: What is measured, by mechanism.
EXACT: Mapping[str, str] = {
    "function_graph": "begin, end and result of the call, each function and its time",
    "boundaries": "begin, end and result of the call and of each function that has a probe",
    "stitch": "begin, end, arguments and result of the call; waits; that each function was on the stack",
    "samples": "how many samples found the threads where",
    "wchan": "how many samples found the threads in which state",
}
#: What is concluded from it.
INFERRED: Mapping[str, str] = {
    "function_graph": "",
    "boundaries": "time between probes is that of the function above, though others may have run",
    "stitch": "times of functions below the call: lower bounds, from the first stack with one to the last",
    "samples": "time, from the share of samples; what lies between two samples is not seen",
    "wchan": "time, from the share of samples; what lies between two samples is not seen",
}
