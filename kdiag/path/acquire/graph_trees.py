"""Lines of function_graph, of all CPUs in the order of time, built into one tree per call of the root.

Each thread has its own pile of open calls. A tree begins with a root on an empty pile, so that what is traced
before (a call that was under way when tracing began, a stray leaf) is nobody's. The indent must fit: an entry
is deeper than its caller, an end as deep as its entry. Where it does not, lines are missing, and the tree is
dropped. After a loss on any CPU all open trees are dropped: a thread may have been on that CPU meanwhile.
Indents may have gaps: other users of the tracer's return hooks (fprobes since 6.14) count as depth.
"""

from typing import Container, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from kdiag.ftrace.function_graph import GraphLine
from kdiag.path.acquire.graph_join import Tree
from kdiag.path.call import Call

__all__ = ["TreeBuilder"]

#: More calls in one tree are counted and not kept.
MOST_CALLS = 200_000

#: What runs only because kdiag's own events are enabled; what it calls hangs below it, and goes with it.
_OF_TRACING = ("__traceiter_", "trace_event_raw_event_")

_Key = Tuple[int, int]


class _Open:
    """A tree that is being built: the open calls with their indents, the root first."""

    __slots__ = ("calls", "comm", "cpu", "cut", "depths", "pile")

    def __init__(self, line: GraphLine, root: Call) -> None:
        self.comm = line.comm or ""
        self.cpu = line.cpu
        self.pile: List[Call] = [root]
        self.depths: List[int] = [line.depth or 0]
        self.calls = 1
        self.cut = 0


class TreeBuilder:
    """:meth:`feed` takes lines and yields trees whose root has ended; :meth:`unfinished` the rest."""

    def __init__(self, roots: Container[str], most_calls: int = MOST_CALLS) -> None:
        self._roots = roots
        self._most_calls = most_calls
        self._open: Dict[_Key, _Open] = {}
        self._gaps: Dict[int, None] = {}
        self.lost_events = 0
        self.lost_unknown = False
        self.dropped_calls = 0
        self.bad_lines = 0

    def feed(self, lines: Iterable[Union[GraphLine, object]]) -> Iterator[Tree]:
        """Take lines in the order of time."""
        for line in lines:
            if not isinstance(line, GraphLine):
                self.bad_lines += 1
                continue
            if self._gaps and line.cpu in self._gaps and line.kind not in ("lost", "started"):
                del self._gaps[line.cpu]
                self._drop_all()
            kind = line.kind
            if kind == "entry":
                self._entry(line)
            elif kind == "return":
                tree = self._return(line)
                if tree is not None:
                    yield tree
            elif kind == "leaf":
                tree = self._leaf(line)
                if tree is not None:
                    yield tree
            elif kind == "lost":
                self._lost(line)
            elif kind == "cut":
                self._drop(_key(line))

    def unfinished(self) -> List[Tree]:
        """Return the trees whose root has not ended, with the ends of what is open marked as missing."""
        left = []
        for (tid, _), tree in self._open.items():
            for call in tree.pile:
                call.end_lost = True
            root = tree.pile[0]
            left.append(Tree(tid, tree.comm, root.start_ns or 0, None, root, tree.cpu))
        self._open.clear()
        return left

    def _entry(self, line: GraphLine) -> None:
        key = _key(line)
        tree = self._open.get(key)
        call = _call(line)
        if tree is None:
            if line.function in self._roots:
                self._open[key] = _Open(line, call)
            return
        depth = line.depth or 0
        if depth <= tree.depths[-1]:
            self._drop(key)
            if line.function in self._roots:
                self._open[key] = _Open(line, call)
            return
        self._add(tree, call)
        tree.pile.append(call)
        tree.depths.append(depth)

    def _leaf(self, line: GraphLine) -> Optional[Tree]:
        key = _key(line)
        tree = self._open.get(key)
        call = _call(line)
        call.duration_ns, call.retval = line.duration_ns, line.retval
        if call.start_ns is not None and call.duration_ns is not None:
            call.end_ns = call.start_ns + call.duration_ns
        if tree is None:
            if line.function in self._roots:
                end_ns = call.end_ns if call.end_ns is not None else line.ts_ns
                return Tree(key[0], line.comm or "", line.ts_ns or 0, end_ns, call, line.cpu)
            return None
        if (line.depth or 0) <= tree.depths[-1]:
            self._drop(key)
            return None
        self._add(tree, call)
        return None

    def _return(self, line: GraphLine) -> Optional[Tree]:
        key = _key(line)
        tree = self._open.get(key)
        if tree is None:
            return None
        call = tree.pile[-1]
        named = line.function is not None and line.function != call.function
        if (line.depth or 0) != tree.depths[-1] or named:
            self._drop(key)
            return None
        call.duration_ns, call.retval, call.end_ns = line.duration_ns, line.retval, line.ts_ns
        tree.pile.pop()
        tree.depths.pop()
        if tree.pile:
            return None
        del self._open[key]
        if tree.cut:
            call.notes.append(f"{tree.cut} calls beyond the first {self._most_calls} are not shown")
        return Tree(key[0], tree.comm, call.start_ns or 0, line.ts_ns, call, tree.cpu)

    def _add(self, tree: _Open, call: Call) -> None:
        if call.function.startswith(_OF_TRACING):
            return
        if tree.calls < self._most_calls:
            tree.pile[-1].children.append(call)
            tree.calls += 1
        else:
            tree.cut += 1

    def _lost(self, line: GraphLine) -> None:
        if line.lost_events is None:
            self.lost_unknown = True
        else:
            self.lost_events += line.lost_events
        if line.cpu is not None:
            self._gaps[line.cpu] = None
        self._drop_all()

    def _drop(self, key: _Key) -> None:
        if self._open.pop(key, None) is not None:
            self.dropped_calls += 1

    def _drop_all(self) -> None:
        self.dropped_calls += len(self._open)
        self._open.clear()


def _key(line: GraphLine) -> _Key:
    """Return whose line it is; every CPU has an idle task of its own, all of them with pid 0."""
    pid = line.pid or 0
    return (pid, 0 if pid else (line.cpu or 0))


def _call(line: GraphLine) -> Call:
    call = Call(line.function or "", line.module, start_ns=line.ts_ns, args=line.args or "")
    call.caller = line.caller
    return call
