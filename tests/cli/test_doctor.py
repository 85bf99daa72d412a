"""The table of doctor: every command is in it, and every capability that it names can be tried."""

from kdiag.cli.doctor import _questions
from kdiag.doctor.capabilities import ALIASES, CAPABILITIES
from kdiag.tools.family import TOOLS, tool_named


def test_each_tool_is_a_question_with_its_mechanisms() -> None:
    asked = {question.command: question for question in _questions()}
    for name in TOOLS:
        told = [mechanism.name for mechanism in asked[name].mechanisms]
        assert told == [mechanism.name for mechanism in tool_named(name).mechanisms], name


def test_each_mechanism_needs_what_can_be_tried() -> None:
    for question in _questions():
        for mechanism in question.mechanisms:
            unknown = set(mechanism.needs) - set(CAPABILITIES) - set(ALIASES)
            assert not unknown, (question.command, mechanism.name)
            assert mechanism.needs


def test_events_need_an_instance_of_tracefs() -> None:
    asked = {question.command: question for question in _questions()}
    ftrace = next(each for each in asked["syscount"].mechanisms if each.name == "ftrace")
    assert ftrace.needs[:2] == ("tracefs", "instances")
