"""A claim: what is measured, the aim if there is one, and whether it is met. Arithmetic only."""

from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Claim", "Report", "Table", "falls_short", "median", "ratio", "slope", "verdict"]


class Claim(NamedTuple):
    """One measured number. ``reason`` says why there is none."""

    what: str
    unit: str
    """``x`` for a ratio, ``MB`` (a million bytes), or what is counted."""
    measured: Optional[float]
    median: Optional[float] = None
    """The same from the medians of the rounds; far from ``measured`` on a busy machine."""
    aim: Optional[float] = None
    """At most so much; ``None`` where the number is for information."""
    reason: str = ""


class Table(NamedTuple):
    """Figures beside the claims."""

    title: str
    headers: Tuple[str, ...]
    rows: Tuple[Tuple[Any, ...], ...]


class Report(NamedTuple):
    """What one part of the bench found out."""

    part: str
    title: str
    claims: Tuple[Claim, ...]
    tables: Tuple[Table, ...] = ()
    notes: Tuple[str, ...] = ()


def verdict(claim: Claim) -> str:
    """Say how a claim stands to its aim; nothing for a claim without one."""
    if claim.measured is None:
        return "not measured"
    if claim.aim is None:
        return ""
    return "met" if claim.measured <= claim.aim else "MISSED"


def falls_short(claim: Claim) -> bool:
    """Return true for an aim that is missed, and for whatever could not be measured."""
    return verdict(claim) in ("MISSED", "not measured")


def ratio(value: Optional[float], base: Optional[float]) -> Optional[float]:
    """Return how many times ``base`` a value is; ``None`` if either is unknown or there is no base."""
    return None if value is None or not base else value / base


def median(values: Iterable[float]) -> float:
    """Return the middle value, or the mean of the two middle ones."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def slope(points: Sequence[Tuple[float, float]]) -> Optional[float]:
    """Return the growth of y per x by least squares; ``None`` without two different x."""
    count = len(points)
    if count < 2:
        return None
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    products: List[float] = [(x - mean_x) * (y - mean_y) for x, y in points]
    return sum(products) / spread if spread else None
