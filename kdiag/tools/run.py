"""One run of a tool: what is asked, when it begins and ends, what was lost; the choice of its mechanism.

A mechanism's ``run(run)`` is a generator. It sets up, calls :meth:`Run.begin`, and yields rows, or a summary
for each of :meth:`Run.ticks`. Until it has begun it may raise :exc:`~kdiag.tools.tool.CannotUse`, and the
next mechanism is tried: starting it is the trial.
"""

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, Dict, Generator, Iterator, List, Mapping, Optional, Sequence

from kdiag.doctor.mechanism import Choice, NoMechanism, PassedOver
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.records import NamedTuple
from kdiag.tools.ending import Ending
from kdiag.tools.tool import CannotUse, Item, Tool, ToolMechanism

if TYPE_CHECKING:
    from kdiag.tools.cost import Cost

__all__ = ["Lost", "Run", "answer"]

_ROUND_S = 0.05


class Lost(NamedTuple):
    """What could not be kept: events, entries of full maps, stacks."""

    events: int = 0
    entries: int = 0
    stacks: int = 0


class Run:
    """What a mechanism is given, and what it tells beside its rows (``notes``, ``lost``)."""

    def __init__(
        self,
        host: Host,
        options: Mapping[str, Any],
        *,
        target: Optional[Target] = None,
        for_s: Optional[float] = None,
        interval_s: Optional[float] = None,
        count: Optional[int] = None,
        top: Optional[int] = None,
        stop: Callable[[], bool] = lambda: False,
        dry_run: bool = False,
    ) -> None:
        self.host = host
        self.options = options
        self.target = target
        self.for_s = for_s
        self.interval_s = interval_s
        self.count = count
        self.top = top
        self.dry_run = dry_run
        #: What would be done to the kernel, in order (``--dry-run``).
        self.plan: List[str] = []
        self.notes: List[str] = []
        self.lost = Lost()
        #: Fields that this run cannot give, with the reason.
        self.missing: Dict[str, str] = {}
        self.choice = Choice("")
        #: What it costs, where the whole system is watched.
        self.cost: Optional[Cost] = None
        #: Called when all is set up, before the command runs.
        self.on_begin: Callable[[], object] = lambda: None
        self.begun = False
        self._stop = stop
        self._ending: Optional[Ending] = None
        self._ticks = 0
        self._tick_s = 0.0

    @property
    def deadline_s(self) -> Optional[float]:
        """How long the run may last at most, with time to end in; ``None`` where nobody said."""
        return None if self.for_s is None else self.for_s + 60

    def begin(self) -> None:
        """All is set up: show the head, let the command run, start the clock."""
        self.begun = True
        self.on_begin()
        if self.target is not None and not self.dry_run:
            self.target.release()
        self._ending = Ending(self.target, self.for_s, self._stop)
        self._tick_s = time.monotonic()

    def ending(self) -> bool:
        """Tell whether it is over: the command ended, the time or all intervals are, or the user wants it."""
        assert self._ending is not None, "the run has not begun"  # noqa: S101
        counted = self.count is not None and self._ticks >= self.count
        return self.dry_run or counted or self._ending()

    def asked_to_stop(self) -> bool:
        """Tell whether the user wants it to end."""
        return self._stop()

    @property
    def ended(self) -> str:
        """What ended it, in words."""
        return "" if self._ending is None else self._ending.why or "all intervals are over"

    @property
    def duration_s(self) -> float:
        """How long it has lasted since the begin."""
        return 0.0 if self._ending is None else self._ending.duration_s

    def tick(self) -> Optional[bool]:
        """Tell whether an interval is over: ``None`` if not, ``True`` if it was the last one."""
        if self.ending():
            return True
        if self.interval_s is not None and time.monotonic() - self._tick_s >= self.interval_s:
            self._tick_s += self.interval_s
            self._ticks += 1
            return self.count is not None and self._ticks >= self.count
        return None

    def ticks(self, poll: Callable[[float], object] = time.sleep) -> Iterator[bool]:
        """Yield at the end of each interval, ``True`` for the last; ``poll(s)`` is done in the meantime.

        Nothing is yielded in a dry run, for there is nothing to be read.
        """
        while not self.dry_run:
            last = self.tick()
            if last is None:
                poll(_ROUND_S if self.interval_s is None else min(_ROUND_S, self.interval_s / 4))
                continue
            yield last
            if last:
                return

    def cut(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the first ``--top`` rows."""
        return rows if self.top is None else rows[: self.top]


def answer(tool: Tool, run: Run, forced: Optional[str] = None) -> Generator[Item, None, None]:
    """Yield what the best mechanism that starts here has to say; ``run.choice`` names it.

    Raises :exc:`~kdiag.doctor.mechanism.NoMechanism` where none does, or not the ``forced`` one.
    """
    passed_over: List[PassedOver] = []
    for mechanism in tool.mechanisms:
        if forced not in (None, mechanism.name):
            continue
        run.choice = Choice(mechanism.name, mechanism.gives, tuple(passed_over))
        run.missing = dict(mechanism.missing)
        run.notes.clear()
        run.plan.clear()
        try:
            yield from _items(mechanism, run)
        except CannotUse as error:
            if run.begun:
                raise
            passed_over.append(PassedOver(mechanism.name, error.reason, error.remedy))
            continue
        return
    if not passed_over:
        known = ", ".join(mechanism.name for mechanism in tool.mechanisms)
        passed_over.append(
            PassedOver(forced or "", f"{tool.name} cannot be answered that way; ways: {known}")
        )
    raise NoMechanism(tool.name, passed_over)


def _items(mechanism: ToolMechanism, run: Run) -> Iterator[Item]:
    module = import_module(mechanism.module)
    items: Iterator[Item] = module.run(run)
    return items
