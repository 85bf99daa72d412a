from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.doctor.capabilities import CAPABILITIES
from kdiag.doctor.examination import Examination
from kdiag.doctor.facts import Fact
from kdiag.doctor.mechanism import Trial
from kdiag.doctor.others import Other
from kdiag.report.doctor_document import doctor_document
from kdiag.report.doctor_text import doctor_lines
from kdiag.report.layout import display_width
from kdiag.report.terminal import Style
from tests.report.doctor_samples import EXAMINED, HOST
from tests.report.test_json_envelope import validate


def lines(examined: Examination = EXAMINED, width: int = 80) -> List[str]:
    return list(doctor_lines(examined, Style(width)))


def test_what_each_command_will_use_comes_first_with_what_was_passed_over() -> None:
    text = lines()
    assert text[0] == "Linux 6.18.44, x86_64, as root; lockdown: integrity"
    at = text.index("What each command will use here")
    assert text[at + 1 : at + 6] == [
        "path          stitch: stacks of events",
        "              not function_graph: not built in",
        "              not boundaries: kprobes: built without it",
        "stream        nothing works here: tracefs: not permitted; to get it: run kdiag",
        "              as root",
    ]


def test_what_is_missing_is_told_with_reason_gain_and_remedy() -> None:
    text = lines()
    at = text.index("kprobes: built without it (ENOENT on kprobe_events)")
    assert text[at + 1] == "    would give    an event at nearly any kernel function, with its arguments"
    assert text[at + 2] == "    to get it     a kernel built with CONFIG_KPROBE_EVENTS"


def test_what_waits_for_another_is_told_in_one_line() -> None:
    text = " ".join(" ".join(lines()).split())
    assert (
        "not tried (needs function_graph: not built in): results of functions, arguments of functions" in text
    )


def test_who_else_traces_is_named() -> None:
    text = " ".join(" ".join(lines()).split())
    assert "/sys/kernel/tracing/current_tracer: the tracer function is set; kdiag keeps away" in text
    assert "nobody, as far as tracefs shows" in lines(EXAMINED._replace(others=()))


def test_options_are_told_apart_as_set_not_set_and_not_known() -> None:
    assert "built in      BPF_SYSCALL" in lines()
    assert "not set       KPROBES" in lines()
    unknown = EXAMINED._replace(config_source=None, config_tried=("/proc/config.gz: not on this kernel",))
    assert "not known: no configuration of this kernel could be read" in lines(unknown)


def test_what_could_not_be_undone_is_not_hidden() -> None:
    text = lines(EXAMINED._replace(left_behind=("try `kdiag cleanup`: busy",)))
    assert "nothing is left behind" not in " ".join(text)
    assert text[-1] == "note: try `kdiag cleanup`: busy"


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(display_width, lines(width=width))) <= min(width, 100)


@settings(max_examples=30)
@given(st.text(max_size=30))
def test_hostile_words_stay_in_their_line(word: str) -> None:
    examined = EXAMINED._replace(
        others=(Other(word, word, False),), facts=(*EXAMINED.facts, Fact("x", word, word, word))
    )
    for line in lines(examined):
        assert line.isprintable()


@pytest.mark.parametrize(
    "examined", [EXAMINED, EXAMINED._replace(is_recording=True, others=(), left_behind=("x",))]
)
def test_the_document_is_what_its_schema_says(examined: Any) -> None:
    document = doctor_document(examined, 0, host=HOST, started_ns=1_700_000_000_000_000_000)
    validate(document, "doctor")
    assert document["commands"][0]["passed_over"][1]["name"] == "boundaries"
    assert [row["works"] for row in document["capabilities"] if row["id"] == "kprobes"] == [False]


def test_what_was_not_needed_is_not_missing() -> None:
    trials = tuple(Trial(id, True) for id in CAPABILITIES if id != "function_graph_top")
    not_needed = Trial("function_graph_top", None, "not needed", "it works in an instance")
    text = lines(EXAMINED._replace(trials=(*trials, not_needed)))
    assert "Everything that kdiag knows to use works here." in text
