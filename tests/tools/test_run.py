"""The choice of a mechanism by starting it, and the clock of a run."""

import sys
from types import ModuleType
from typing import Any, Callable, Iterator, List

import pytest

from kdiag.doctor.mechanism import NoMechanism
from kdiag.host.memory import MemoryHost
from kdiag.records import NamedTuple
from kdiag.tools.run import Run, answer
from kdiag.tools.tool import CannotUse, Item, Summary, Tool, ToolMechanism

Mechanism = Callable[[Run], Iterator[Item]]


class Row(NamedTuple):
    """A row."""

    pid: int


def works(run: Run) -> Iterator[Item]:
    run.plan.append("something is done")
    run.begin()
    run.notes.append("it went well")
    for _ in run.ticks(lambda seconds: None):
        yield Summary((Row(7),))


def refuses(run: Run) -> Iterator[Item]:
    run.plan.append("something is tried")
    run.notes.append("it was tried")
    raise CannotUse("lockdown", "boot without it")
    yield


def breaks_off(run: Run) -> Iterator[Item]:
    run.begin()
    yield Row(1)
    raise CannotUse("the buffer is gone")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tool]:
    def make(**mechanisms: Mechanism) -> Tool:
        made = []
        for name, function in mechanisms.items():
            module: Any = ModuleType(f"tests.made.{name}")
            module.run = function
            monkeypatch.setitem(sys.modules, module.__name__, module)
            made.append(ToolMechanism(name, module.__name__, (), f"what {name} gives", {"uid": name}))
        return Tool("try", "group", "Is it?", "It is.", Row, (("pid", 7),), tuple(made))

    return make


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The time, in seconds: set it."""
    told = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: told[0])
    return told


def run_of(**options: Any) -> Run:
    return Run(MemoryHost([{}]), {}, **{"stop": lambda: True, **options})


def test_the_first_that_starts_is_taken_and_says_why_better_ones_were_not(tool: Any) -> None:
    run = run_of()
    assert list(answer(tool(bcc=refuses, bpf=works, ftrace=breaks_off), run)) == [Summary((Row(7),))]
    assert (run.choice.name, run.choice.gives) == ("bpf", "what bpf gives")
    assert [tuple(each) for each in run.choice.passed_over] == [("bcc", "lockdown", "boot without it")]
    # Of one that was only tried, nothing is left.
    assert (run.notes, run.plan, run.missing) == (["it went well"], ["something is done"], {"uid": "bpf"})


def test_after_the_begin_an_error_is_an_error(tool: Any) -> None:
    items = answer(tool(ftrace=breaks_off, procfs=works), run_of())
    assert next(items) == Row(1)
    with pytest.raises(CannotUse, match="buffer is gone"):
        next(items)


def test_one_that_is_asked_for_is_taken_or_refused(tool: Any) -> None:
    run = run_of()
    list(answer(tool(bpf=works, procfs=works), run, "procfs"))
    assert run.choice.name == "procfs"
    with pytest.raises(NoMechanism) as told:
        list(answer(tool(bcc=refuses, bpf=works), run_of(), "bcc"))
    assert str(told.value).split("\n")[1:] == ["  not bcc: lockdown; for that: boot without it"]
    with pytest.raises(NoMechanism, match=r"cannot be answered that way; ways: bcc, bpf"):
        list(answer(tool(bcc=refuses, bpf=works), run_of(), "magic"))


def test_where_nothing_starts_each_reason_is_told(tool: Any) -> None:
    with pytest.raises(NoMechanism) as told:
        list(answer(tool(bcc=refuses, bpf=refuses), run_of()))
    assert [each.name for each in told.value.passed_over] == ["bcc", "bpf"]


def test_a_dry_run_is_over_at_once_and_tells_its_plan(tool: Any) -> None:
    run = run_of(stop=lambda: False, dry_run=True)
    assert list(answer(tool(bpf=works), run)) == []
    assert run.plan == ["something is done"]


def test_what_is_to_be_shown_before_the_command_runs_comes_first(tool: Any) -> None:
    run = run_of()
    seen: List[str] = []
    run.on_begin = lambda: seen.append(run.choice.name)
    seen += ["item" for _ in answer(tool(bpf=works), run)]
    assert seen == ["bpf", "item"]


def test_what_fails_at_the_begin_ends_the_run(tool: Any) -> None:
    run = run_of()

    def too_much() -> None:
        raise RuntimeError("too much")

    run.on_begin = too_much
    with pytest.raises(RuntimeError, match="too much"):
        list(answer(tool(bpf=works, procfs=works), run))


def test_intervals_are_over_in_time_however_late_one_looks(now: List[float]) -> None:
    run = run_of(interval_s=1.0, count=3, stop=lambda: False)
    run.begin()
    told = []
    for at_s in (100.5, 101.2, 101.9, 102.05, 102.9, 103.0):
        now[0] = at_s
        told.append(run.tick())
    # The second is over a second after the first should have been, not after it was seen.
    assert told == [None, False, None, False, None, True]
    # What reads events goes on until it is told that it is over.
    assert run.ending()
    assert run.ended == "all intervals are over"
    assert run.duration_s == 3.0


def test_the_end_comes_in_the_midst_of_an_interval(now: List[float]) -> None:
    run = run_of(interval_s=10.0, for_s=2.5, stop=lambda: False)
    run.begin()
    waited = []

    def poll(seconds: float) -> None:
        waited.append(seconds)
        now[0] += 1

    assert list(run.ticks(poll)) == [True]
    assert len(waited) == 3
    assert run.ended == "its time was over"
    assert run.deadline_s == 62.5


def test_rows_are_cut_where_that_is_asked_for() -> None:
    assert run_of().cut((1, 2, 3)) == (1, 2, 3)
    assert run_of(top=2).cut((1, 2, 3)) == (1, 2)
