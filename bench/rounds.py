"""The rounds that several parts of the bench share: each size of host is measured once."""

from typing import Callable, Dict, NamedTuple

from bench.contenders import contenders
from bench.measure import Series, by_turns, floor_bytes
from bench.processes import count_processes, host_with

__all__ = ["LARGEST", "SIZES", "TYPICAL", "AtSize", "Rounds"]

#: Numbers of processes.
SIZES = (100, 500, 1000, 5000)
TYPICAL, LARGEST = 500, 5000


class AtSize(NamedTuple):
    """All contenders on a host of one size."""

    processes: int
    """How many there were really."""
    series: Dict[str, Series]
    missing: Dict[str, str]
    floor_bytes: int


class Rounds:
    """Measures a size when it is first asked for."""

    def __init__(self, rounds: int, say: Callable[[str], None]) -> None:
        self.rounds = rounds
        self.say = say
        self._measured: Dict[int, AtSize] = {}

    def at(self, size: int) -> AtSize:
        """Return the rounds on a host with ``size`` processes."""
        if size not in self._measured:
            self.say(f"{self.rounds} rounds with {size} processes")
            with host_with(size):
                field = contenders()
                floor = floor_bytes()
                series = by_turns(field.commands, self.rounds, field.good_codes)
                processes = count_processes()
            self._measured[size] = AtSize(processes, series, field.missing, floor)
        return self._measured[size]
