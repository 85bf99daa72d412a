"""function_graph set up for one root: every write, in order, and how each is undone.

Since 6.11 the tracer runs in a private instance (``function_graph`` stands in its ``available_tracers``);
before, only the top level has it, and every file that is written there is journalled and put back. Some
things are global either way: ``set_graph_function`` and ``max_graph_depth``, which count for every instance,
and on 6.12 the options of the tracer, which an instance shares with the top level.

Order matters: functions are hooked when the tracer is set, so a filter that is known goes first.
"""

import os
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from kdiag.ftrace.global_state import GlobalState
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host, ReadError
from kdiag.path.request import CannotAcquire

__all__ = ["CannotGraph", "GraphSetup", "graph_in_instances"]

#: What the text must look like to be read, and what is worth having; written where the kernel has it and it
#: is not so already.
_OPTIONS: Tuple[Tuple[str, bool], ...] = (
    ("funcgraph-abstime", True),
    ("funcgraph-proc", True),
    ("funcgraph-cpu", True),
    ("funcgraph-duration", True),
    ("funcgraph-tail", True),
    ("funcgraph-overrun", False),
    ("funcgraph-retval", True),  # with CONFIG_FUNCTION_GRAPH_RETVAL (6.5)
    ("funcgraph-retval-hex", False),
    ("funcgraph-retaddr", False),
    ("funcgraph-args", True),  # with CONFIG_FUNCTION_TRACE_ARGS (6.15)
    ("funcgraph-irqs", True),  # or the time of an interrupt would be taken for that of what it interrupted
    ("sleep-time", True),
    ("latency-format", False),
    ("context-info", True),
    ("sym-offset", False),
    ("sym-addr", False),
    ("raw", False),
    ("hex", False),
    ("bin", False),
    ("overwrite", True),  # what is lost is the oldest, and LOST lines say so where it was
)
_TIDS_A_WRITE = 64
#: What a return probe calls around every function that has one, on kernels where it takes a lock for that.
_IN_PROBES = ("_raw_spin_lock", "_raw_spin_lock_irqsave", "_raw_spin_unlock_irqrestore")


class CannotGraph(CannotAcquire):
    """function_graph cannot be used here; the message says why, and ``remedy`` what would help."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason + (f" ({remedy})" if remedy else ""))
        self.reason = reason
        self.remedy = remedy


def graph_in_instances(instance: TraceFs) -> bool:
    """Tell whether this kernel has function_graph in instances (since 6.11)."""
    return "function_graph" in instance.read("available_tracers").split()


class GraphSetup:
    """The tracer in place; :meth:`start`, :meth:`narrow`, :meth:`widen`, :meth:`stop` move it.

    ``session`` is a private instance for the text, ``None`` where the kernel has no function_graph in
    instances: ``state`` then takes the top level. Both undo at their own close what was written here.
    """

    def __init__(self, state: GlobalState, session: Optional[Session], host: Host) -> None:
        self.state = state
        self.host = host
        self.private = session is not None
        self.place: TraceFs = state.tracefs if session is None else session.instance
        self.has_retval = False
        self.has_args = False
        self._pipes: Dict[int, int] = {}
        self._known_tids: Dict[int, None] = {}

    def prepare(
        self,
        roots: Sequence[str],
        *,
        buffer_kib_per_cpu: int,
        clock: str = "mono",
        max_depth: Optional[int] = None,
    ) -> None:
        """Write everything but the pids and the tracer itself."""
        self._must_be_enabled()
        if not self.private:
            if "function_graph" not in self.place.read("available_tracers").split():
                raise CannotGraph(
                    "this kernel has no function_graph tracer", "it takes CONFIG_FUNCTION_GRAPH_TRACER"
                )
            self.state.hold_buffer()
            self._write("tracing_on", "0")
            self._write("trace_clock", clock)
            self._write("buffer_size_kb", str(buffer_kib_per_cpu))
            self._empty_filters()
        self._set_options()
        self.state.write("set_graph_function", "".join(f"{root}\n" for root in roots))
        if self.state.read("set_graph_notrace").strip("#\n ") not in ("", "no functions disabled"):
            self.state.clear("set_graph_notrace")
        depth = str(max_depth or 0)
        if self.state.read("max_graph_depth").strip() != depth:
            self.state.write("max_graph_depth", depth)

    def follow(self, tids: Iterable[int]) -> None:
        """Trace these threads, and (``options/function-fork``) those that they make."""
        new = [tid for tid in tids if tid not in self._known_tids]
        if not self._known_tids:
            self._write("options/function-fork", "1")
        for start in range(0, len(new), _TIDS_A_WRITE):
            self._append("set_ftrace_pid", " ".join(map(str, new[start : start + _TIDS_A_WRITE])) + "\n")
        self._known_tids.update(dict.fromkeys(new))

    def leave_out(self, tids: Iterable[int]) -> None:
        """Trace everybody but these threads, where the kernel can do that (since 5.7)."""
        if self.place.exists("set_ftrace_notrace_pid"):
            self._append("set_ftrace_notrace_pid", " ".join(map(str, tids)) + "\n")

    def arm(self) -> None:
        """Set the tracer: from here every function of the filter (of the kernel, without one) is hooked."""
        self._write("current_tracer", "function_graph")

    def start(self) -> None:
        """Open the text of every CPU, and switch recording on."""
        if not self.place.planned:
            for cpu in self._cpus():
                self._pipes[cpu] = self.place.open(
                    f"per_cpu/cpu{cpu}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK
                )
        self._write("tracing_on", "1")

    @property
    def pipes(self) -> Dict[int, int]:
        """The descriptors of the CPUs' ``trace_pipe``."""
        return self._pipes

    def narrow(self, numbers: Sequence[int]) -> None:
        """Hook only these functions, given by their numbers in ``available_filter_functions``."""
        self._write("set_ftrace_filter", "".join(f"{number}\n" for number in numbers))

    def widen(self) -> None:
        """Hook all functions again."""
        if self.private:
            self.place.clear("set_ftrace_filter")
        else:
            self.state.clear("set_ftrace_filter")

    def stop(self) -> None:
        """Switch recording off; what was recorded can still be read."""
        self._write("tracing_on", "0")

    def resume(self) -> None:
        """Switch recording on again."""
        self._write("tracing_on", "1")

    def hide_probes(self) -> None:
        """Leave out what the kernel itself does in return probes, where that is traced (before 5.11)."""
        for name in _IN_PROBES:
            self._append("set_ftrace_notrace", name + "\n")

    def lost(self) -> int:
        """Return how many records the buffers lost so far."""
        from kdiag.ftrace.session import parse_stats

        return sum(parse_stats(cpu, self.place.read(f"per_cpu/cpu{cpu}/stats")).lost for cpu in self._cpus())

    def close(self) -> None:
        """Unhook everything, and close the pipes; the rest is undone by ``state`` and ``session``."""
        for pipe in self._pipes.values():
            os.close(pipe)
        self._pipes = {}
        if self.private:
            self._write("tracing_on", "0")
            self._write("current_tracer", "nop")

    def _must_be_enabled(self) -> None:
        try:
            enabled = self.host.read("/proc/sys/kernel/ftrace_enabled").strip()
        except ReadError:
            return
        if enabled == b"0":
            raise CannotGraph(
                "function tracing is switched off on this host",
                "sysctl kernel.ftrace_enabled=1 allows it again",
            )

    def _empty_filters(self) -> None:
        """At the top level somebody's filters may be there; they are put back at the end."""
        for name in ("set_ftrace_filter", "set_ftrace_notrace", "set_ftrace_pid", "set_ftrace_notrace_pid"):
            if self.place.exists(name) and not _is_empty_list(self.place.read(name)):
                self.state.clear(name)

    def _set_options(self) -> None:
        for option, on in _OPTIONS:
            name = f"options/{option}"
            if not self.place.exists(name):
                continue
            if self.private and option.startswith(("funcgraph-", "sleep-time")):
                self.state.note_old(name)  # 6.12 changes the top level along
            if (self.place.read(name).strip() == "1") != on:
                self._write(name, "1" if on else "0")
        self.has_retval = self.place.exists("options/funcgraph-retval")
        self.has_args = self.place.exists("options/funcgraph-args")

    def _cpus(self) -> List[int]:
        return sorted(
            int(name[3:]) for name in self.place.list("per_cpu") if name[:3] == "cpu" and name[3:].isdigit()
        )

    def _write(self, name: str, text: str) -> None:
        (self.place if self.private else self.state).write(name, text)

    def _append(self, name: str, text: str) -> None:
        (self.place if self.private else self.state).append(name, text)


def _is_empty_list(text: str) -> bool:
    """Tell whether a list of functions or pids has no entry.

    >>> _is_empty_list("#### all functions enabled ####\\n"), _is_empty_list("no pid\\n")
    (True, True)
    >>> _is_empty_list("vfs_read\\n")
    False
    """
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return not lines or lines == ["no pid"]
