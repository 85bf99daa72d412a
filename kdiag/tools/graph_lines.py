"""The text of function_graph summed up: calls by function with their own time, and the slowest call's tree.

Lines of tasks and CPUs interleave, so calls are put together for each task; where the text does not name
tasks (``funcgraph-proc`` off), for each CPU, with the switches that it shows. The depth that a line is
indented by tells which call an end belongs to, also where ends are missing.
"""

from typing import Dict, Iterable, List, Optional, Set, Tuple, Union

from kdiag.ftrace.function_graph import GraphLine
from kdiag.ftrace.trace_text import Header
from kdiag.procfs.text import Problem
from kdiag.tools.trace_summary import CallNode, FunctionRow, Loss, Problems, TraceSummary, overwritten

__all__ = ["GraphLines"]

#: A tree with more calls than that is not kept.
_MOST_NODES = 50_000

#: A task by its pid, or a CPU's tasks that nothing is known of yet.
_Key = Tuple[str, Optional[int]]


class _Node:
    """One call in a tree that may become the slowest."""

    __slots__ = ("caller", "depth", "duration_ns", "function", "retval", "self_ns")

    def __init__(self, depth: int, function: str, caller: Optional[str]) -> None:
        self.depth = depth
        self.function = function
        self.caller = caller
        self.duration_ns: Optional[int] = None
        self.self_ns: Optional[int] = None
        self.retval: Optional[int] = None


class _Frame:
    """A call that has not ended yet."""

    __slots__ = ("children_ns", "depth", "function", "node", "whole")

    def __init__(self, function: str, depth: int, node: Optional[_Node]) -> None:
        self.function = function
        self.depth = depth
        self.node = node
        self.children_ns = 0
        self.whole = True
        """The time of everything that it called is known."""


class _Task:
    """The calls under way in one task, and the tree of its present root."""

    __slots__ = ("frames", "nodes")

    def __init__(self) -> None:
        self.frames: List[_Frame] = []
        self.nodes: List[_Node] = []


class _Function:
    """All calls of one function."""

    __slots__ = ("calls", "cut", "max_ns", "outer_ns", "self_ns", "sum_ns", "timed", "whole")

    def __init__(self) -> None:
        self.calls = self.cut = self.timed = self.whole = 0
        self.sum_ns = self.outer_ns = self.self_ns = self.max_ns = 0

    def row(self, name: str) -> FunctionRow:
        timed = self.timed > 0
        return FunctionRow(
            name,
            self.calls,
            self.cut,
            self.outer_ns / 1000 if timed else None,
            self.self_ns / 1000 if self.whole else None,
            self.sum_ns / self.timed / 1000 if timed else None,
            self.max_ns / 1000 if timed else None,
        )


class GraphLines:
    """Sums up lines of function_graph."""

    def __init__(self) -> None:
        self.problems = Problems()
        self.loss = Loss()
        self.functions: Dict[str, _Function] = {}
        self.roots = 0
        self.tasks: Dict[_Key, _Task] = {}
        self.running: Dict[Optional[int], _Key] = {}
        self.slowest_ns = -1
        self.slowest: List[_Node] = []

    def read(self, items: Iterable[Union[GraphLine, Problem]], header: Header) -> TraceSummary:
        """Sum up what a file's lines are."""
        first: Optional[int] = None
        last: Optional[int] = None
        cpus: Set[int] = set()
        events = 0
        for each in items:
            if isinstance(each, Problem):
                self.problems.add(each)
                continue
            if each.cpu is not None:
                cpus.add(each.cpu)
            if each.ts_ns is not None:
                first = each.ts_ns if first is None else min(first, each.ts_ns)
                last = each.ts_ns if last is None else max(last, each.ts_ns)
            events += each.kind in ("entry", "leaf", "return", "comment")
            self._line(each)
        self.loss.dropped += self._cut(self.tasks.values())
        rows = [each.row(name) for name, each in self.functions.items()]
        rows.sort(key=lambda row: (-(row.self_us or 0), -(row.total_us or 0), row.function))
        nodes = [
            CallNode(
                each.depth - self.slowest[0].depth,
                each.function,
                None if each.duration_ns is None else each.duration_ns / 1000,
                None if each.self_ns is None else each.self_ns / 1000,
                each.retval,
                each.caller,
            )
            for each in self.slowest
        ]
        return TraceSummary(
            "function_graph",
            header.tracer,
            0,
            None if first is None else first / 1e9,
            None if last is None else last / 1e9,
            len(cpus),
            events,
            self.loss.events,
            self.loss.unknown,
            overwritten(header),
            self.loss.dropped,
            functions=tuple(rows),
            slowest=tuple(nodes),
            roots=self.roots,
            problems=tuple(self.problems.kept),
            problem_count=self.problems.count,
        )

    def _line(self, line: GraphLine) -> None:
        if line.kind in ("lost", "started"):
            tasks = list(self.tasks.values())
            dropped = self._cut(tasks)
            self.tasks.clear()
            if line.kind == "lost":
                self.loss.add(line.lost_events, dropped)
            else:
                self.loss.dropped += dropped
        elif line.kind == "switch":
            if line.text is not None and line.cpu not in self.running:
                # What ran before the first switch was the task that it names.
                before = self.tasks.pop(("cpu", line.cpu), None)
                if before is not None:
                    self.tasks["pid", int(line.text.rpartition("-")[2])] = before
            self.running[line.cpu] = ("pid", line.pid)
        elif line.kind in ("entry", "leaf", "return"):
            key = ("pid", line.pid) if line.pid is not None else self.running.get(line.cpu, ("cpu", line.cpu))
            task = self.tasks.setdefault(key, _Task())
            self._end_deeper(task, line.depth or 0, line.kind == "return")
            if line.kind == "return":
                self._return(task, line)
            else:
                self._entry(task, line)

    def _entry(self, task: _Task, line: GraphLine) -> None:
        name = _name(line)
        self.functions.setdefault(name, _Function()).calls += 1
        if not task.frames:
            self.roots += 1
            task.nodes = []
        node = None
        if len(task.nodes) < _MOST_NODES:
            node = _Node(line.depth or 0, name, line.caller)
            task.nodes.append(node)
        task.frames.append(_Frame(name, line.depth or 0, node))
        if line.kind == "leaf":
            self._return(task, line)

    def _return(self, task: _Task, line: GraphLine) -> None:
        frame = task.frames[-1] if task.frames and task.frames[-1].depth == line.depth else None
        named = None if line.function is None else _name(line)
        if frame is None or (named is not None and named != frame.function):
            # Its begin is not in the text. Without a name nothing is known but that it ended.
            if frame is not None:
                self._forget(task, len(task.frames) - 1)
            if named is not None:
                function = self.functions.setdefault(named, _Function())
                function.calls += 1
                function.cut += 1
                self._time(function, named, line.duration_ns, task)
            self._add_to_caller(task, line.duration_ns)
            return
        task.frames.pop()
        function = self.functions[frame.function]
        self._time(function, frame.function, line.duration_ns, task)
        own = None
        if line.duration_ns is not None and frame.whole:
            own = max(0, line.duration_ns - frame.children_ns)
            function.self_ns += own
            function.whole += 1
        if frame.node is not None:
            frame.node.duration_ns, frame.node.self_ns, frame.node.retval = line.duration_ns, own, line.retval
        self._add_to_caller(task, line.duration_ns)
        if not task.frames and line.duration_ns is not None and line.duration_ns > self.slowest_ns:
            self.slowest_ns, self.slowest = line.duration_ns, task.nodes

    def _time(self, function: _Function, name: str, duration_ns: Optional[int], task: _Task) -> None:
        if duration_ns is None:
            return
        function.timed += 1
        function.sum_ns += duration_ns
        function.max_ns = max(function.max_ns, duration_ns)
        if all(each.function != name for each in task.frames):
            function.outer_ns += duration_ns

    @staticmethod
    def _add_to_caller(task: _Task, duration_ns: Optional[int]) -> None:
        if task.frames:
            task.frames[-1].children_ns += duration_ns or 0
            task.frames[-1].whole = task.frames[-1].whole and duration_ns is not None

    def _end_deeper(self, task: _Task, depth: int, is_return: bool) -> None:
        """Forget calls whose end should have come before this line."""
        keep = len(task.frames)
        while keep and task.frames[keep - 1].depth > depth - (not is_return):
            keep -= 1
        self._forget(task, keep)

    def _forget(self, task: _Task, keep: int) -> None:
        for frame in task.frames[keep:]:
            self.functions[frame.function].cut += 1
        if len(task.frames) > keep and keep:
            task.frames[keep - 1].whole = False
        del task.frames[keep:]

    def _cut(self, tasks: Iterable[_Task]) -> int:
        """Forget all calls under way; return how many roots that were."""
        roots = 0
        for task in tasks:
            roots += bool(task.frames)
            self._forget(task, 0)
        return roots


def _name(line: GraphLine) -> str:
    return f"{line.function} [{line.module}]" if line.module else str(line.function)
