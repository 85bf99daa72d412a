"""A summary over all calls, made as they come: it keeps numbers and a few chosen calls, not the calls.

Memory is bounded whatever comes: tables of functions, places of waiting and results have an upper size,
beyond which everything is counted as others, and said.
"""

from typing import Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from kdiag.ftrace.syscall_sums import SyscallSum
from kdiag.path.call import Call, SyscallCall
from kdiag.path.error_origin import UNKNOWN, ErrorOrigin, error_origin
from kdiag.path.histogram import ERROR_PCT, Histogram
from kdiag.path.interrupts import gives_cpu_away
from kdiag.path.layer_times import layer_times
from kdiag.records import NamedTuple

__all__ = [
    "OTHERS",
    "WHICH",
    "CallTotals",
    "FunctionTotals",
    "Sleep",
    "Summary",
    "place_of_wait",
]

#: Which call's tree is kept.
WHICH = ("slowest", "failing", "nth")
OTHERS = "(others)"
#: How much too high a percentile of sums may be (kdiag.ftrace.syscall_sums).
SUMS_ERROR_PCT = 6.25

_MOST_FUNCTIONS = 20_000
_MOST_PLACES = 1_000
_MOST_NAMES = 1_000
_MOST_ERRORS = 64
_MOST_COMMS = 100


class FunctionTotals(NamedTuple):
    """A function over all calls: how often, and its time with and without what it called (``None``: unknown).

    ``exact`` is false where times are lower bounds, or some are missing.
    """

    function: str
    module: Optional[str]
    hits: int
    total_ns: Optional[int]
    self_ns: Optional[int]
    exact: bool


class Sleep(NamedTuple):
    """A place where calls were off the CPU: the function that waited, its caller, how often, how long.

    ``unknown`` counts waits whose length is not known.
    """

    place: str
    state: str
    waker: str
    times: int
    total_ns: int
    longest_ns: int
    unknown: int


class _Function:
    __slots__ = ("exact", "hits", "module", "self_ns", "total_ns")

    def __init__(self, module: Optional[str]) -> None:
        self.module = module
        self.hits = self.total_ns = self.self_ns = 0
        self.exact = True


class _Sleep:
    __slots__ = ("longest_ns", "times", "total_ns", "unknown", "waker")

    def __init__(self, waker: str) -> None:
        self.times = self.total_ns = self.longest_ns = self.unknown = 0
        self.waker = waker


class _SummedTimes(Histogram):
    """The times of calls that were summed up already, in buckets of another width."""

    def __init__(self, summed: SyscallSum) -> None:
        super().__init__()
        self._summed = summed
        self.count, self.total = summed.timed, summed.total_ns
        if summed.timed:
            self.minimum, self.maximum = summed.min_ns, summed.max_ns

    def percentile(self, percent: float) -> Optional[int]:
        return self._summed.at_share(percent / 100) if self.count else None


class CallTotals:
    """All calls of one name."""

    def __init__(self, name: str, whole: bool = True) -> None:
        self.name = name
        self._whole = whole
        self.count = 0
        self.incomplete = 0
        """Calls of which begin or end is not there; their time is in no number."""
        self.errors: Dict[int, int] = {}
        self.times = Histogram()
        self.layers: Dict[str, int] = {}
        self.layers_inferred = False
        self.failures: Dict[int, SyscallCall] = {}
        """A call for each errno: the first, or the first whose origin is known."""
        self._known: Dict[int, bool] = {}

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return sum(self.errors.values())

    def origins(self) -> Dict[int, ErrorOrigin]:
        """Return where each kind of error was born, in the order of how often it came."""
        found = {}
        for errno in sorted(self.failures, key=lambda each: (-self.errors[each], each)):
            origin = error_origin(self.failures[errno])
            if origin is not None:
                found[errno] = origin
        return found

    @classmethod
    def of_sum(cls, name: str, summed: SyscallSum) -> "CallTotals":
        """Return the totals of calls that were summed up while they were recorded."""
        totals = cls(name)
        totals.count = summed.calls
        totals.incomplete = summed.calls - summed.timed
        totals.errors = dict(summed.errors)
        totals.times = _SummedTimes(summed)
        return totals

    def add(self, call: SyscallCall) -> None:
        """Count a call."""
        self.count += 1
        if call.duration_ns is None:
            self.incomplete += 1
        else:
            self.times.add(call.duration_ns)
            times = layer_times(call, self._whole)
            if times is not None:
                for title, ns in times.by_layer.items():
                    self.layers[title] = self.layers.get(title, 0) + ns
                self.layers_inferred |= times.inferred
        if call.errno is not None:
            self._failed(call, call.errno)

    def _failed(self, call: SyscallCall, errno: int) -> None:
        if errno not in self.errors and len(self.errors) >= _MOST_ERRORS:
            return
        self.errors[errno] = self.errors.get(errno, 0) + 1
        if errno not in self.failures:
            self.failures[errno] = call
            self._known[errno] = _is_known(call)
        elif not self._known[errno] and _is_known(call):
            # What functions returned may be known only later, and only of a later call.
            self._known[errno] = True
            if not _is_known(self.failures[errno]):
                self.failures[errno] = call


class Summary:
    """Takes calls; keeps totals by name, function and place of waiting, and the call that was asked for.

    ``which``: the slowest, the first that fails, or the ``nth`` (from 1). Functions are only added up if
    ``functions`` is true. ``whole`` says whether the trees are (:data:`kdiag.path.mechanisms.WHOLE`).
    """

    def __init__(
        self, which: str = "slowest", nth: int = 1, *, functions: bool = True, whole: bool = True
    ) -> None:
        if which not in WHICH:
            raise ValueError(which)
        self.which = which
        self.nth = nth
        self.whole = whole
        self.summed = False
        """Only sums are there, no single call."""
        self.percentile_error_pct = ERROR_PCT
        self.count = 0
        self.names: Dict[str, CallTotals] = {}
        self.chosen: Optional[SyscallCall] = None
        self.chosen_number = 0
        self.first_ns: Optional[int] = None
        self.last_ns: Optional[int] = None
        self.comms: Dict[Tuple[str, int], int] = {}
        self.left_out: Dict[str, int] = {}
        """What was counted as others because a table was full, by table."""
        self._with_functions = functions
        self._functions: Dict[Tuple[str, Optional[str]], _Function] = {}
        self._sleeps: Dict[Tuple[str, str], _Sleep] = {}

    def feed(
        self, calls: Iterable[SyscallCall], each: Callable[[SyscallCall], None] = lambda _: None
    ) -> None:
        """Take all calls, handing each one on as well."""
        for call in calls:
            each(call)
            self.add(call)

    def add(self, call: SyscallCall) -> None:
        """Take a call."""
        self.count += 1
        name = call.name
        totals = self.names.get(name)
        if totals is None:
            if len(self.names) >= _MOST_NAMES:
                name = OTHERS
                self._leave_out("names")
            totals = self.names.setdefault(name, CallTotals(name, self.whole))
        totals.add(call)
        self._comm(call)
        self._choose(call)
        if call.start_ns:
            self.first_ns = call.start_ns if self.first_ns is None else min(self.first_ns, call.start_ns)
            end_ns = call.start_ns + (call.duration_ns or 0)
            self.last_ns = end_ns if self.last_ns is None else max(self.last_ns, end_ns)
        self._waits(call)
        if self._with_functions and call.root is not None:
            self._count_functions(call.root)

    def add_sums(self, sums: Mapping[str, SyscallSum]) -> None:
        """Take calls that were summed up while they were recorded: no single one of them can be shown."""
        for name, summed in sums.items():
            self.count += summed.calls
            self.names[name] = CallTotals.of_sum(name, summed)
            self.summed = True
            self.percentile_error_pct = SUMS_ERROR_PCT

    def functions(self) -> List[FunctionTotals]:
        """Return all functions, that with the most time of its own first."""
        rows = [
            FunctionTotals(name, each.module, each.hits, each.total_ns, each.self_ns, each.exact)
            for (name, _), each in self._functions.items()
        ]
        rows.sort(key=lambda row: (-(row.self_ns or 0), -row.hits, row.function))
        return rows

    def sleeps(self) -> List[Sleep]:
        """Return where calls were off the CPU, the longest first."""
        rows = [
            Sleep(place, state, each.waker, each.times, each.total_ns, each.longest_ns, each.unknown)
            for (place, state), each in self._sleeps.items()
        ]
        rows.sort(key=lambda row: (-row.total_ns, -row.times, row.place))
        return rows

    def by_name(self) -> List[CallTotals]:
        """Return the totals of each name, that with the most time first."""
        return sorted(self.names.values(), key=lambda each: (-each.times.total, -each.count, each.name))

    def layers(self) -> Dict[str, int]:
        """Return ns by layer over all calls."""
        total: Dict[str, int] = {}
        for each in self.names.values():
            for title, ns in each.layers.items():
                total[title] = total.get(title, 0) + ns
        return total

    # Pieces

    def _leave_out(self, table: str) -> None:
        self.left_out[table] = self.left_out.get(table, 0) + 1

    def _comm(self, call: SyscallCall) -> None:
        key = (call.comm, call.tid)
        if key not in self.comms and len(self.comms) >= _MOST_COMMS:
            key = (OTHERS, 0)
        self.comms[key] = self.comms.get(key, 0) + 1

    def _choose(self, call: SyscallCall) -> None:
        if self.which == "nth":
            better = self.count == self.nth
        elif self.which == "failing":
            better = self.chosen is None and call.errno is not None
        else:
            better = self.chosen is None or _rank(call) > _rank(self.chosen)
        if better:
            self.chosen, self.chosen_number = call, self.count

    def _waits(self, call: SyscallCall) -> None:
        for wait in call.waits:
            key = (place_of_wait(wait.stack), wait.state)
            if key not in self._sleeps and len(self._sleeps) >= _MOST_PLACES:
                key = (OTHERS, "")
                self._leave_out("places of waiting")
            row = self._sleeps.get(key)
            if row is None:
                row = self._sleeps[key] = _Sleep(wait.waker)
            elif wait.waker and wait.waker != row.waker:
                row.waker = "several" if row.waker else wait.waker
            row.times += 1
            if wait.duration_ns is None:
                row.unknown += 1
            else:
                row.total_ns += wait.duration_ns
                row.longest_ns = max(row.longest_ns, wait.duration_ns)

    def _count_functions(self, root: Call) -> None:
        table = self._functions
        # The names above, so that a function that calls itself is not counted twice in its total.
        stack: List[Tuple[Call, Tuple[str, ...]]] = [(root, ())]
        while stack:
            call, above = stack.pop()
            key = (call.function, call.module)
            row = table.get(key)
            if row is None:
                if len(table) >= _MOST_FUNCTIONS:
                    key = (OTHERS, None)
                    self._leave_out("functions")
                row = table.setdefault(key, _Function(call.module if key[0] != OTHERS else None))
            row.hits += call.hits
            duration_ns = call.duration_ns
            if duration_ns is None:
                row.exact = False
            else:
                if call.function not in above:
                    row.total_ns += duration_ns
                own_ns = call.self_ns
                if own_ns is None:
                    row.exact = False
                else:
                    row.self_ns += own_ns
            if call.inferred:
                row.exact = False
            if call.children:
                inner = (*above, call.function)
                stack.extend((child, inner) for child in call.children)


def place_of_wait(stack: Tuple[str, ...]) -> str:
    """Say where a task waited: the function that asked for it, and its caller.

    >>> place_of_wait(("schedule", "pipe_read", "vfs_read", "ksys_read"))
    'pipe_read < vfs_read'
    >>> place_of_wait(("schedule", "schedule_timeout", "do_poll", "do_sys_poll")), place_of_wait(())
    ('do_poll < do_sys_poll', '(not seen)')
    """
    named = [name for name in stack if not _only_sleeps(name)]
    return " < ".join(named[:2] or stack[:1]) or "(not seen)"


def _only_sleeps(function: str) -> bool:
    return gives_cpu_away(function) or function.split(".")[0] in _SLEEPERS


#: What is between the scheduler and the function that has something to wait for.
_SLEEPERS = frozenset(
    """
    io_schedule io_schedule_timeout schedule_timeout schedule_timeout_interruptible
    schedule_timeout_killable schedule_timeout_uninterruptible schedule_hrtimeout schedule_hrtimeout_range
    schedule_hrtimeout_range_clock schedule_preempt_disabled bit_wait bit_wait_io bit_wait_timeout
    __wait_on_bit out_of_line_wait_on_bit __cond_resched _cond_resched __schedule_loop rt_mutex_schedule
    preempt_schedule_common
    """.split()
)


def _rank(call: SyscallCall) -> Tuple[bool, int, bool]:
    """Return what makes a call the slowest; one that has a tree is preferred, and one that has ended."""
    return (call.duration_ns is not None, call.duration_ns or 0, call.root is not None)


def _is_known(call: SyscallCall) -> bool:
    origin = error_origin(call)
    return origin is not None and origin.certainty != UNKNOWN
