"""The choice of a mechanism: the best whose needs are met by a trial, and why better ones were passed over.

A question (a tool, the path of a system call) lists its mechanisms, best first; each names the capabilities
that it needs. A trial tells whether this kernel and this user have one; a version or a configuration never
does.
"""

from typing import Callable, List, Optional, Sequence, Tuple

from kdiag.records import NamedTuple

__all__ = ["Choice", "Mechanism", "NoMechanism", "PassedOver", "Trial", "choose"]


class Trial(NamedTuple):
    """What trying one capability gave: ``works`` is ``None`` where it could not be tried.

    ``detail`` is what was seen ("EINVAL on ..."), ``why`` what that means, ``remedy`` how to get it.
    """

    id: str
    works: Optional[bool]
    detail: str = ""
    why: str = ""
    remedy: str = ""


class Mechanism(NamedTuple):
    """A way to answer a question: ``name`` for ``--backend``, and the capabilities that it needs."""

    name: str
    needs: Tuple[str, ...]
    gives: str = ""
    """What it shows, in a few words, for the header."""


class PassedOver(NamedTuple):
    """A better mechanism that was not taken, and why."""

    name: str
    reason: str
    remedy: str = ""


class Choice(NamedTuple):
    """The mechanism in use, what it shows, and the better ones that were passed over."""

    name: str
    gives: str = ""
    passed_over: Tuple[PassedOver, ...] = ()


class NoMechanism(Exception):
    """No mechanism that may be taken works here; ``passed_over`` says why for each."""

    def __init__(self, question: str, passed_over: Sequence[PassedOver]) -> None:
        # One a line: this is read by somebody who now has to get one of them to work.
        lines = [f"{question}: nothing on this host can answer that"]
        for each in passed_over:
            reason = each.reason.replace("\n", "; ")
            remedy = f"; for that: {each.remedy}" if each.remedy else ""
            lines.append(f"  not {each.name}: {reason}{remedy}")
        super().__init__("\n".join(lines))
        self.passed_over = tuple(passed_over)


def choose(
    question: str,
    mechanisms: Sequence[Mechanism],
    try_capability: Callable[[str], Trial],
    forced: Optional[str] = None,
) -> Choice:
    """Return the first mechanism that works, or the ``forced`` one; raise :class:`NoMechanism` if none does.

    Trials are made one by one, only as far as the choice needs them.

    >>> graph, stitch = Mechanism("graph", ("function_graph",)), Mechanism("stitch", ("event_stack",))
    >>> choose("path", (graph, stitch), lambda name: Trial(name, name != "function_graph", "EINVAL"))
    ... # doctest: +NORMALIZE_WHITESPACE
    Choice(name='stitch', gives='',
           passed_over=(PassedOver(name='graph', reason='function_graph: EINVAL', remedy=''),))
    """
    passed_over: List[PassedOver] = []
    for mechanism in mechanisms:
        if forced not in (None, mechanism.name):
            continue
        failed = _first_that_fails(mechanism, try_capability)
        if failed is None:
            return Choice(mechanism.name, mechanism.gives, tuple(passed_over))
        reason = failed.why or failed.detail or "does not work here"
        told = reason if failed.id == mechanism.name else f"{failed.id}: {reason}"
        passed_over.append(PassedOver(mechanism.name, told, failed.remedy))
    if not passed_over:
        known = ", ".join(mechanism.name for mechanism in mechanisms)
        passed_over.append(PassedOver(forced or "", f"there is no such mechanism; there are: {known}"))
    raise NoMechanism(question, passed_over)


def _first_that_fails(mechanism: Mechanism, try_capability: Callable[[str], Trial]) -> Optional[Trial]:
    for need in mechanism.needs:
        trial = try_capability(need)
        if not trial.works:
            return trial
    return None
