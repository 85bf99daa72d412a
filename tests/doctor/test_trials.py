import errno
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from kdiag.doctor import trials as module
from kdiag.doctor.capabilities import ALIASES, CAPABILITIES
from kdiag.doctor.outcome import NotTried, Refused
from kdiag.doctor.trials import RECORDING, Bench, Trials
from kdiag.ftrace.instance import NotTornDown
from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError
from kdiag.host.memory import MemoryHost
from kdiag.host.open import open_host

RECORDED = sorted((Path(__file__).parents[2] / "fixtures" / "hosts").glob("6.1-default/*.tar.xz"))[0]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Dict[str, Any]:
    """Replace every trial by an answer: text that it works with, or what it raises."""
    answers: Dict[str, Any] = {}
    count: List[str] = []

    def answer(id: str) -> Callable[[Bench], str]:
        def trial(bench: Bench) -> str:
            count.append(id)
            told = answers.get(id, "")
            if isinstance(told, Exception):
                raise told
            return str(told)

        return trial

    monkeypatch.setattr(module, "_TRIALS", {id: answer(id) for id in CAPABILITIES})
    answers["count"] = count
    return answers


def trials() -> Trials:
    return Trials(MemoryHost([{}]))


def test_each_is_tried_once_and_only_when_asked_for(tried: Dict[str, Any]) -> None:
    some = trials()
    assert tried["count"] == []
    assert some.try_capability("psi").works is True
    assert some.try_capability("psi").works is True
    assert tried["count"] == ["psi"]


def test_what_needs_something_that_does_not_work_is_not_tried(tried: Dict[str, Any]) -> None:
    tried["tracefs"] = NoTraceFs("/sys/kernel/tracing: not permitted", "run kdiag as root")
    trial = trials().try_capability("event_stack")
    assert (trial.works, trial.detail) == (None, "not tried")
    assert trial.why == "needs tracefs: /sys/kernel/tracing: not permitted"
    assert trial.remedy == "run kdiag as root"
    assert tried["count"] == ["tracefs"]


def test_a_refusal_has_the_remedy_of_the_trial_or_else_of_the_table(tried: Dict[str, Any]) -> None:
    tried["psi"] = Refused("EOPNOTSUPP", "switched off", "boot with psi=1")
    tried["kprobes"] = TraceFsError("/sys/kernel/tracing/kprobe_events", errno.ENOENT)
    some = trials()
    assert some.try_capability("psi").remedy == "boot with psi=1"
    kprobes = some.try_capability("kprobes")
    assert (kprobes.works, kprobes.why, kprobes.remedy) == (
        False,
        "built without it",
        CAPABILITIES["kprobes"].remedy,
    )


def test_what_would_disturb_others_is_neither_yes_nor_no(tried: Dict[str, Any]) -> None:
    tried["function_graph_instance"] = Refused("available_tracers: nop", "at the top level only")
    tried["function_graph_top"] = NotTried("not tried", "somebody traces")
    some = trials()
    assert some.try_capability("function_graph_top").works is None
    graph = some.try_capability("function_graph")
    assert (graph.id, graph.works, graph.why) == ("function_graph", None, "somebody traces")
    assert some.try_capability("funcgraph_retval").why == "needs function_graph: somebody traces"


def test_an_alias_works_if_one_of_its_capabilities_does(tried: Dict[str, Any]) -> None:
    tried["function_graph_instance"] = Refused("x")
    assert trials().try_capability("function_graph").works is True
    assert tried["count"] == ["tracefs", "instances", "function_graph_instance", "function_graph_top"]


def test_what_could_not_be_undone_is_kept_for_the_user(tried: Dict[str, Any]) -> None:
    tried["uprobes"] = NotTornDown([OSError("busy")])
    some = trials()
    assert some.try_capability("uprobes").works is None
    assert len(some.left_behind) == 1
    assert "kdiag cleanup" in some.left_behind[0]


def test_on_a_recording_nothing_is_tried(tried: Dict[str, Any]) -> None:
    host = open_host(str(RECORDED))
    try:
        with Trials(host) as some:
            for id in (*CAPABILITIES, *ALIASES):
                trial = some.try_capability(id)
                assert (trial.works, trial.why) == (None, RECORDING)
    finally:
        host.close()
    assert tried["count"] == []


def test_an_unknown_capability_is_an_error_of_whoever_asks() -> None:
    with pytest.raises(KeyError):
        trials().try_capability("telepathy")
