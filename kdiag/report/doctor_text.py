"""`kdiag doctor` as text: first what each command will use, then what does not work and how to get it."""

from typing import Dict, Iterator, List, Sequence, Tuple

from kdiag.doctor.capabilities import CAPABILITIES, GROUPS
from kdiag.doctor.examination import CommandChoice, Examination
from kdiag.doctor.facts import OptionFact
from kdiag.doctor.mechanism import Trial
from kdiag.doctor.outcome import NOT_NEEDED
from kdiag.report.layout import Column, led_lines, table_lines, wrap
from kdiag.report.terminal import Style

__all__ = ["doctor_lines"]

_MOST_WIDTH = 100
_LABEL = 14


def doctor_lines(examined: Examination, style: Style) -> Iterator[str]:
    """Yield the whole report."""
    style = style._replace(width=min(style.width, _MOST_WIDTH))
    yield from _head(examined, style)
    yield from _title("What each command will use here", style)
    for command in examined.commands:
        if command.choice or not examined.is_recording:
            yield from _command(command, style)
    if examined.is_recording:
        names = ", ".join(command.command for command in examined.commands if not command.choice)
        yield from wrap(style.safe(f"{'others':<{_LABEL}}need the host itself: {names}"), style.width, _LABEL)
    else:
        yield from _missing(examined.trials, style)
    yield from _working(examined.trials, style)
    yield from _others(examined, style)
    yield from _facts(examined, style)
    yield from _options(examined, style)
    for note in (*examined.notes, *examined.left_behind):
        yield from wrap(style.safe(f"note: {note}"), style.width, 2)


def _head(examined: Examination, style: Style) -> Iterator[str]:
    known = {fact.id: fact.value or "not known" for fact in examined.facts}
    kinds = [trial.works for trial in examined.trials]
    left = "and not all could be undone" if examined.left_behind else "and nothing is left behind"
    lead = f"Linux {known['kernel']}, {known['machine']}"
    told = f", as {known['user']}; lockdown: {known['lockdown']}"
    yield from led_lines("title", style.safe(lead), style.safe(told), style)
    if not examined.is_recording:
        counts = (
            f"{kinds.count(True)} of {len(kinds)} capabilities work, {kinds.count(False)} do not, "
            f"{kinds.count(None)} not tried; it took {examined.duration_s:.1f} s, {left}"
        )
    else:
        counts = "a recording: what works can only be tried on the host itself, so here are facts alone"
    yield from wrap(counts, style.width, 2)


def _title(text: str, style: Style) -> Iterator[str]:
    yield ""
    yield from led_lines("title", text, "", style)


def _command(command: CommandChoice, style: Style) -> Iterator[str]:
    name = f"{command.command:<{_LABEL}}"
    if command.choice is None:
        reasons = {(passed.reason, passed.remedy) for passed in command.passed_over}
        if len(reasons) == 1:
            told = "; to get it: ".join(each for each in reasons.pop() if each)
            yield from led_lines("warning", name, style.safe(f"nothing works here: {told}"), style, _LABEL)
            return
        yield from led_lines("warning", name, "nothing works here", style, _LABEL)
    else:
        gives = f": {command.choice.gives}" if command.choice.gives else ""
        yield from led_lines("ok", name, style.safe(f"{command.choice.name}{gives}"), style, _LABEL)
    for passed in command.passed_over:
        told = " " * _LABEL + f"not {passed.name}: {passed.reason}"
        yield from wrap(style.safe(told), style.width, _LABEL + 4)


def _missing(trials: Sequence[Trial], style: Style) -> Iterator[str]:
    """Tell what does not work; those that only wait for another are named with it."""
    waiting: Dict[str, List[str]] = {}
    for trial in trials:
        if trial.works is None and trial.why.startswith("needs "):
            waiting.setdefault(trial.why, []).append(CAPABILITIES[trial.id].title)
    alone = [
        trial
        for trial in trials
        if not trial.works
        and trial.detail != NOT_NEEDED
        and not (trial.works is None and trial.why in waiting)
    ]
    if not alone and not waiting:
        yield ""
        yield from led_lines("ok", "Everything that kdiag knows to use works here.", "", style)
        return
    yield from _title("What does not work here, and how to get it", style)
    for trial in alone:
        yield from _one_missing(trial, style)
    for why, titles in waiting.items():
        yield from led_lines("unknown", "not tried", style.safe(f" ({why}): {', '.join(titles)}"), style)


def _one_missing(trial: Trial, style: Style) -> Iterator[str]:
    row = CAPABILITIES[trial.id]
    why = trial.why or trial.detail
    seen = f" ({trial.detail})" if trial.detail and trial.detail not in (why, "not tried") else ""
    kind, told = ("warning", "") if trial.works is False else ("unknown", "not tried: ")
    yield from led_lines(kind, style.safe(row.title), style.safe(f": {told}{why}{seen}"), style, 4)
    for label, text in (("would give", row.enables), ("to get it", trial.remedy or row.remedy)):
        yield from wrap(style.safe(f"    {label:<{_LABEL}}{text}"), style.width, 4 + _LABEL)


def _working(trials: Sequence[Trial], style: Style) -> Iterator[str]:
    working = [trial for trial in trials if trial.works]
    if not working:
        return
    yield from _title("What works here: each was tried", style)
    for group, title in GROUPS.items():
        of_group = [trial for trial in working if CAPABILITIES[trial.id].group == group]
        told = [
            CAPABILITIES[trial.id].title + (f" ({trial.detail})" if trial.detail else "")
            for trial in of_group
        ]
        if told:
            yield from led_lines("ok", style.safe(title), style.safe(f": {', '.join(told)}"), style, 2)


def _others(examined: Examination, style: Style) -> Iterator[str]:
    tracefs = next((trial for trial in examined.trials if trial.id == "tracefs"), None)
    if tracefs is None or not tracefs.works:
        return
    yield from _title("Who else is tracing", style)
    if not examined.others:
        yield "nobody, as far as tracefs shows"
    for other in examined.others:
        keeps = "; kdiag keeps away from what is shared" if other.blocks else ""
        yield from wrap(style.safe(f"{other.path}: {other.what}{keeps}"), style.width, 2)


def _facts(examined: Examination, style: Style) -> Iterator[str]:
    yield from _title("Facts that explain it", style)
    rows = [fact for fact in examined.facts if fact.id not in ("kernel", "machine")]
    columns = [
        Column("fact", [style.safe(fact.title) for fact in rows], least=32),
        Column("value", [style.safe(fact.value or "not known") for fact in rows]),
        Column("what it means", [style.safe(fact.means) for fact in rows]),
    ]
    yield from table_lines(columns, style)


def _options(examined: Examination, style: Style) -> Iterator[str]:
    yield ""
    source = examined.config_source
    yield style.paint("title", "Kernel options" + (style.safe(f" ({source})") if source else ""))
    if source is None:
        yield from wrap("not known: no configuration of this kernel could be read", style.width, 2)
        for tried in examined.config_tried:
            yield from wrap(style.safe(f"  {tried}"), style.width, 4)
        return
    kinds: Tuple[Tuple[str, str], ...] = (("built in", "y"), ("as module", "m"), ("not set", "n"))
    for title, value in kinds:
        names = _names(examined.options, value)
        if names:
            yield from wrap(style.safe(f"{title:<{_LABEL}}{' '.join(names)}"), style.width, _LABEL)


def _names(options: Sequence[OptionFact], value: str) -> List[str]:
    return [option.name[len("CONFIG_") :] for option in options if option.value == value]
