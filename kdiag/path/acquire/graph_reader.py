"""The text of function_graph as it comes, from one ``trace_pipe`` a CPU, in one order of time.

A task moves between CPUs in the middle of a call, so the CPUs' texts are merged by their absolute times
(``funcgraph-abstime``). No CPU's lines are handed on before every other CPU has been read up to that time:
the trace clock is ``mono``, so the time before a sweep over all CPUs bounds what a later sweep can bring.
Lines without a time (losses, switches) keep their place on their CPU.
"""

import errno
import os
import time
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from kdiag.ftrace.function_graph import GraphLine
from kdiag.procfs.text import Problem

__all__ = ["GraphReader"]

#: Bytes taken from one CPU before the next one has its turn.
_TURN_BYTES = 1 << 20
#: Records may be written a little after the time that they carry.
_SLACK_NS = 1_000_000

Line = Union[GraphLine, Problem]
Parse = Callable[[Iterable[str]], Iterator[Line]]


class GraphReader:
    """Reads the descriptors of all CPUs' ``trace_pipe``, opened with O_NONBLOCK, by CPU number.

    ``keep`` gets the raw text, by the name of a file for each CPU.
    """

    def __init__(
        self,
        descriptors: Mapping[int, int],
        parse: Parse,
        now_ns: Callable[[], int] = time.monotonic_ns,
        keep: Optional[Callable[[str, bytes], None]] = None,
    ) -> None:
        self._keep = keep
        self._fds = dict(descriptors)
        self._parse = parse
        self._now_ns = now_ns
        self._carry: Dict[int, bytes] = dict.fromkeys(self._fds, b"")
        self._last_ns: Dict[int, int] = dict.fromkeys(self._fds, 0)
        self._held: List[Tuple[int, Line]] = []
        self.bytes_read = 0
        self.caught_up_ns = 0
        """Every line older than this has been handed out."""

    def sweep(self) -> List[Line]:
        """Read what there is on every CPU; return the lines that nothing older can follow any more."""
        horizon_ns = self._now_ns() - _SLACK_NS
        for cpu in self._fds:
            if not self._read_cpu(cpu):
                horizon_ns = min(horizon_ns, self._last_ns[cpu])
        return self._release(horizon_ns)

    def rest(self) -> List[Line]:
        """Read everything that is left, tracing being off; return all lines."""
        while True:
            done = [self._read_cpu(cpu) for cpu in self._fds]
            if all(done):
                return self._release(None)

    def _release(self, horizon_ns: Optional[int]) -> List[Line]:
        self._held.sort(key=lambda each: each[0])  # stable: lines of one CPU stay in their order
        if horizon_ns is None:
            released, self._held = self._held, []
        else:
            # Text shows whole microseconds: a line of this microsecond may still have company.
            whole_ns = horizon_ns - horizon_ns % 1000
            at = next((at for at, (ts_ns, _) in enumerate(self._held) if ts_ns >= whole_ns), len(self._held))
            released, self._held = self._held[:at], self._held[at:]
            self.caught_up_ns = max(self.caught_up_ns, whole_ns)
        return [line for _, line in released]

    def _read_cpu(self, cpu: int) -> bool:
        """Take what a CPU has, up to its turn; ``True`` if there is no more for now."""
        taken = 0
        while taken < _TURN_BYTES:
            try:
                data = os.read(self._fds[cpu], 1 << 16)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    return True
                raise
            if not data:
                return True
            taken += len(data)
            self.bytes_read += len(data)
            self._take(cpu, data)
        return False

    def _take(self, cpu: int, data: bytes) -> None:
        if self._keep is not None:
            self._keep(f"graph.cpu{cpu}.txt", data)
        whole, found, self._carry[cpu] = (self._carry[cpu] + data).rpartition(b"\n")
        if not found:
            return
        # Other line ends than the kernel's may be part of a task's name.
        lines = (whole + found).decode("utf-8", "surrogateescape").split("\n")[:-1]
        for line in self._parse(each + "\n" for each in lines):
            if isinstance(line, GraphLine):
                if line.ts_ns is not None:
                    self._last_ns[cpu] = max(line.ts_ns, self._last_ns[cpu])
                if line.cpu is None:
                    line = line._replace(cpu=cpu)
            self._held.append((self._last_ns[cpu], line))
