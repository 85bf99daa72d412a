"""A check: a pure function of a window and its thresholds, declared together with what explains it.

A check module looks like this, and needs nothing else to take part::

    @check(
        "cpu.steal",
        title="CPU time stolen by the hypervisor",
        formula="d(steal) / d(user+nice+system+idle+iowait+irq+softirq+steal)",
        unit="%",
        thresholds={"warning_pct": 10, "critical_pct": 25},
        source="netdata 10 % over 20 minutes",
        because="The hypervisor does not give this guest the CPU it asks for.",
        next="ask the hypervisor's owner for its CPU contention figures",
    )
    def steal(case: Case) -> Iterator[Finding]:
        ...
        yield case.finding(case.above(value), value, f"{value:.1f}% of CPU time is stolen", ...)

The function yields findings; it raises :class:`~kdiag.health.window.CannotJudge` where a value is not
known (the finding is then ``unknown`` and names the file), and :class:`DoesNotApply` where this host has
nothing to judge.
"""

from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from kdiag.health.finding import INSTANT, SINCE_BOOT, Evidence, Finding, NotApplicable, worst_status
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["Case", "Check", "DoesNotApply", "Thresholds", "Verdict", "check", "judge"]

Verdict = Union[Finding, NotApplicable]
#: Values that replace a check's own: ``{"cpu.psi": {"avg60_warning_pct": 30.0}}``.
Thresholds = Mapping[str, Mapping[str, float]]


class DoesNotApply(Exception):
    """This host has nothing that the check could judge: no swap, no software RAID.

    ``files`` are those that say so; where one of them could not be parsed it says nothing, and the finding
    is unknown.
    """

    def __init__(self, reason: str, *files: str) -> None:
        super().__init__(reason)
        self.files = files


class Check(NamedTuple):
    """A check and its texts. ``essential``: its files are on every kernel and open to every user."""

    id: str
    title: str
    formula: str
    unit: str
    thresholds: Mapping[str, float]
    source: str
    because: str
    next: str
    run: Callable[["Case"], Iterator[Finding]]
    essential: bool = False


def check(
    check_id: str,
    *,
    title: str,
    formula: str,
    unit: str,
    thresholds: Mapping[str, float],
    source: str,
    because: str,
    next: str,
    essential: bool = False,
) -> Callable[[Callable[["Case"], Iterator[Finding]]], Check]:
    """Turn a function into a :class:`Check`."""

    def declare(run: Callable[["Case"], Iterator[Finding]]) -> Check:
        return Check(check_id, title, formula, unit, thresholds, source, because, next, run, essential)

    return declare


class Case:
    """What a check is given: the window, its thresholds, and the verdicts of other checks."""

    def __init__(self, judged: "_Judging", subject: Check) -> None:
        self.window: Window = judged.window
        self._judged = judged
        self._check = subject
        self._limits = {**subject.thresholds, **judged.thresholds.get(subject.id, {})}

    def limit(self, name: str) -> float:
        """Return one of the check's thresholds, as it stands after overrides."""
        return self._limits[name]

    def above(self, value: float, warning: str = "warning_pct", critical: str = "critical_pct") -> str:
        """Return the status of a value that is bad when high; thresholds are reached, not passed."""
        if critical in self._limits and value >= self._limits[critical]:
            return "critical"
        if warning in self._limits and value >= self._limits[warning]:
            return "warning"
        return "ok"

    def below(self, value: float, warning: str = "warning_pct", critical: str = "critical_pct") -> str:
        """Return the status of a value that is bad when it falls under a threshold."""
        if critical in self._limits and value < self._limits[critical]:
            return "critical"
        if warning in self._limits and value < self._limits[warning]:
            return "warning"
        return "ok"

    def status_of(self, check_id: str) -> str:
        """Return the worst status of another check of the same window, ``ok`` if it found nothing."""
        return worst_status(
            tuple(found.status for found in self._judged.verdicts(check_id) if isinstance(found, Finding))
        )

    def evidence(self, path: str, key: str = "") -> Evidence:
        """Return the line of a file in the latest sample that begins with, or holds, ``key``."""
        return self.window.after.evidence(path, key)

    def finding(
        self,
        status: str,
        value: Optional[float],
        summary: str,
        *evidence: Evidence,
        subject: str = "",
        basis: Optional[str] = None,
        because: str = "",
        next: Optional[str] = None,
    ) -> Finding:
        """Build a finding of this check. ``basis`` is the window's own unless ``INSTANT`` is given.

        A value that is only an average since boot is never judged: it becomes ``unknown``.
        """
        basis = self.window.basis if basis is None else basis
        because = because or self._check.because
        if basis == SINCE_BOOT and status not in ("info", "unknown"):
            status = "unknown"
            because = (
                self.window.note or "One reading gives only the average since boot, which is not judged."
            )
        return Finding(
            self._check.id,
            status,
            subject,
            value,
            self._check.unit,
            summary,
            self._check.formula,
            self._limits,
            tuple(evidence),
            basis,
            because,
            self._check.next if next is None else next,
            self._check.source,
        )

    def unknown(self, error: CannotJudge) -> Finding:
        """Build the finding that says why this check could not be made."""
        evidence = (Evidence(error.path, None, ""),) if error.path else ()
        return self.finding(
            "unknown",
            None,
            f"{self._check.title}: not judged",
            *evidence,
            basis=INSTANT,
            because=str(error),
            next="",
        )


class _Judging:
    """One pass over the checks: each is run once, whoever asks for it first."""

    def __init__(
        self, window: Window, checks: Tuple[Check, ...], thresholds: Thresholds, strict: bool
    ) -> None:
        self.window = window
        self._strict = strict
        self.thresholds = thresholds
        self._checks: Dict[str, Check] = {each.id: each for each in checks}
        self._verdicts: Dict[str, List[Verdict]] = {}

    def verdicts(self, check_id: str) -> List[Verdict]:
        if check_id not in self._verdicts:
            self._verdicts[check_id] = self._run(self._checks[check_id])
        return self._verdicts[check_id]

    def _run(self, subject: Check) -> List[Verdict]:
        case = Case(self, subject)
        found: List[Verdict] = []
        try:
            found.extend(subject.run(case))
        except CannotJudge as error:
            found.append(case.unknown(error))
        except DoesNotApply as error:
            garbled = next((path for path in error.files if self.window.after.garbled(path)), None)
            if garbled is None:
                found.append(NotApplicable(subject.id, str(error)))
            else:
                found.append(case.unknown(CannotJudge(garbled, "not all of it could be parsed")))
        except Exception as error:
            if self._strict:
                raise
            # One check's defect must not hide what the others found; it is said, and never passes as ok.
            found.append(case.unknown(CannotJudge("", f"a defect in kdiag: {type(error).__name__}: {error}")))
        return found


def judge(
    window: Window,
    checks: Tuple[Check, ...],
    thresholds: Optional[Thresholds] = None,
    *,
    strict: bool = False,
) -> List[Verdict]:
    """Run every check over a window; the verdicts come in the order of the checks.

    A check that fails by a defect of its own is ``unknown`` and says so, unless ``strict``: then it raises.
    """
    judging = _Judging(window, checks, thresholds or {}, strict)
    return [verdict for each in checks for verdict in judging.verdicts(each.id)]
