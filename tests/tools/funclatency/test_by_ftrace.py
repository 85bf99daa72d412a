from typing import Dict, Mapping, Optional, Tuple

from kdiag.ftrace.event import Event
from kdiag.ftrace.places import Place
from kdiag.ftrace.probe import Probe
from kdiag.tools.funclatency.by_ftrace import _Pairing

F, G = (Place(Probe("kprobe", "", name)) for name in "fg")


def feed(pairing: _Pairing, *points: str) -> None:
    """Feed points as ``TID +f@SP TIME`` (enters) or ``TID -f TIME`` (leaves)."""
    for point in points:
        tid, what, time_us = point.split()
        name, _, pointer = what[1:].partition("@")
        fields: Mapping[str, int] = {"sp": int(pointer)} if pointer else {"ret": 0}
        event = Event(int(time_us) * 1000, 0, int(tid), f"kdiag:{what}", fields)
        pairing.feed(event, F if name == "f" else G, what[0] == "+")


def times(pairing: _Pairing) -> Dict[str, Tuple[int, int, Optional[int]]]:
    return {name: (each.number, each.total_ns // 1000, each.max_ns) for name, each in pairing.take().items()}


def test_returns_belong_to_the_entry_of_their_thread_and_function() -> None:
    pairing = _Pairing(1000)
    feed(pairing, "1 +f@100 0", "2 +f@100 5", "1 +g@80 6", "1 -g 8", "2 -f 15", "1 -f 30")
    assert times(pairing) == {"kprobe:f": (2, 40, 30_000), "kprobe:g": (1, 2, 2000)}


def test_a_function_that_calls_itself_is_a_stack() -> None:
    pairing = _Pairing(1000)
    feed(pairing, "1 +f@100 0", "1 +f@60 10", "1 -f 12", "1 -f 20")
    assert times(pairing) == {"kprobe:f": (2, 22, 20_000)}


def test_a_call_whose_return_was_missed_is_dropped_and_makes_no_wrong_time() -> None:
    pairing = _Pairing(1000)
    feed(pairing, "1 +f@100 0", "1 +f@100 50", "1 -f 53")
    assert times(pairing) == {"kprobe:f": (1, 3, 3000)}


def test_a_return_of_what_had_begun_before_is_no_call() -> None:
    pairing = _Pairing(1000)
    feed(pairing, "1 -f 5")
    assert times(pairing) == {}
    assert times(pairing) == {}
