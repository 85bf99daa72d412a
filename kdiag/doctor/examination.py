"""All that `kdiag doctor` finds out: facts, trials, who else traces, and what each command will use."""

import time
from contextlib import suppress
from typing import List, Optional, Sequence, Tuple

from kdiag.doctor.capabilities import CAPABILITIES
from kdiag.doctor.facts import Fact, OptionFact, facts_of, options_of
from kdiag.doctor.mechanism import Choice, Mechanism, NoMechanism, PassedOver, Trial, choose
from kdiag.doctor.others import Other, others
from kdiag.doctor.trials import ON_THE_HOST, RECORDING, Trials
from kdiag.ftrace.tracefs import NoTraceFs, find_tracefs
from kdiag.host.base import Host
from kdiag.kernel.config import read_config
from kdiag.records import NamedTuple

__all__ = ["CommandChoice", "Examination", "Question", "examine"]


class Question(NamedTuple):
    """A command and its mechanisms, best first; whether it answers from a recording, too."""

    command: str
    mechanisms: Tuple[Mechanism, ...]
    reads_recordings: bool = False


class CommandChoice(NamedTuple):
    """What a command will use here; ``choice`` is ``None`` where nothing works."""

    command: str
    choice: Optional[Choice]
    passed_over: Tuple[PassedOver, ...]


class Examination(NamedTuple):
    """The whole of it. ``config_source`` is ``None`` if no configuration could be read; ``config_tried`` why.

    ``left_behind`` is what could not be undone, for `kdiag cleanup`.
    """

    facts: Tuple[Fact, ...]
    trials: Tuple[Trial, ...]
    commands: Tuple[CommandChoice, ...]
    others: Tuple[Other, ...]
    options: Tuple[OptionFact, ...]
    config_source: Optional[str]
    config_tried: Tuple[str, ...]
    notes: Tuple[str, ...]
    left_behind: Tuple[str, ...]
    is_recording: bool
    duration_s: float


def examine(host: Host, questions: Sequence[Question]) -> Examination:
    """Find out everything; on a recording only facts can be told."""
    started = time.monotonic()
    config = read_config(host)
    notes: List[str] = list(host.notes)
    found: List[Other] = []
    if host.kind != "recorded":
        with suppress(NoTraceFs):  # its own trial says why
            # Looked for before anything is tried: what kdiag itself does must not count.
            found = others(find_tracefs(host), host)
    with Trials(host) as trials:
        tried = tuple(trials.try_capability(id) for id in CAPABILITIES)
        commands = tuple(_choice(question, trials, host) for question in questions)
        left_behind = tuple(trials.left_behind)
    named = tuple(name for row in CAPABILITIES.values() for name in row.config)
    return Examination(
        tuple(facts_of(host, config)),
        tried,
        commands,
        tuple(found),
        tuple(options_of(config, named)),
        config.source,
        config.tried if config.source is None else (),
        tuple(notes),
        left_behind,
        host.kind == "recorded",
        time.monotonic() - started,
    )


def _choice(question: Question, trials: Trials, host: Host) -> CommandChoice:
    if host.kind == "recorded":
        if question.reads_recordings:
            return CommandChoice(question.command, Choice("recording", "what was recorded"), ())
        return CommandChoice(question.command, None, (PassedOver("", RECORDING, ON_THE_HOST),))
    try:
        choice = choose(question.command, question.mechanisms, trials.try_capability)
    except NoMechanism as error:
        return CommandChoice(question.command, None, error.passed_over)
    return CommandChoice(question.command, choice, choice.passed_over)
