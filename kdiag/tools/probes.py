"""What can be probed here: events, functions of the kernel and of programs; why a kind is missing."""

from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from kdiag.ftrace.event_format import BadFormat, parse_format
from kdiag.ftrace.places import Catalogue, Place
from kdiag.ftrace.probe import KINDS, BadProbe, Probe, matches, parse_probe
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.records import NamedTuple

__all__ = ["KindRow", "ProbeRow", "kinds", "list_probes", "places_of"]


class KindRow(NamedTuple):
    """A kind of probe: how it is written, what it shows, how many there are here, or why none.

    ``number`` is ``None`` where it cannot be told. That the kernel takes a definition is not tried here:
    `kdiag doctor` does.
    """

    kind: str
    form: str
    shows: str
    number: Optional[int]
    why_not: str = ""


class ProbeRow(NamedTuple):
    """A probe, and with ``-v`` its arguments as (type, name). ``why_not``: patterns leave it out."""

    probe: str
    arguments: Tuple[Tuple[str, str], ...] = ()
    why_not: str = ""
    module: str = ""


def places_of(catalogue: Catalogue, texts: Sequence[str]) -> Tuple[List[Place], List[str]]:
    """Return the places of all probes, each once, and what a user should know of them.

    Raises :exc:`BadProbe` where one is wrong or has no place here.
    """
    places: Dict[Tuple[str, Tuple[str, ...]], Place] = {}
    notes: List[str] = []
    for text in texts:
        probe = parse_probe(text)
        found = catalogue.find(probe)
        for place in found.places:
            places.setdefault((str(place), place.probe.args), place)
        notes += [note for note in found.notes if note not in notes]
        if found.left_out:
            name, why = found.left_out[0]
            more = len(found.left_out) - 1
            notes.append(f"{probe}: left out {name} ({why})" + (f" and {more} more" if more else ""))
    return list(places.values()), notes


def kinds(catalogue: Catalogue) -> List[KindRow]:
    """Return all kinds of probes."""
    rows: List[KindRow] = []
    for kind in KINDS.values():
        why = catalogue.missing(kind.name)
        number: Optional[int] = None
        if not why:
            if kind.name == "tracepoint":
                number = len(catalogue.events)
            elif kind.name not in ("eprobe", "uprobe", "uretprobe"):
                number = len(catalogue.functions.names) or None
        rows.append(KindRow(kind.name, kind.form, kind.shows, number, why))
    return rows


def list_probes(catalogue: Catalogue, text: str, *, arguments: bool = False) -> Iterator[ProbeRow]:
    """Yield what a pattern matches; one without a kind is looked for among events and functions.

    Raises :exc:`BadProbe` where nothing matches.
    """
    any_row = False
    for row in _rows(catalogue, text, arguments):
        any_row = True
        yield row
    if not any_row:
        raise BadProbe(f"{text}: nothing matches here")


def _rows(catalogue: Catalogue, text: str, arguments: bool) -> Iterator[ProbeRow]:
    if ":" not in text:
        pattern = text
        for system, event in catalogue.events:
            if matches(event, pattern):
                yield _event_row(catalogue, Probe("tracepoint", system, event), arguments)
        kind = next((name for name in ("kprobe", "fprobe") if not catalogue.missing(name)), None)
        if kind is not None:
            yield from _function_rows(catalogue, Probe(kind, "", pattern))
        return
    probe = parse_probe(text)
    why = catalogue.missing(probe.kind)
    if why:
        raise BadProbe(f"{probe}: {probe.kind} is not to be had here: {why}")
    if probe.kind in ("tracepoint", "eprobe"):
        for system, event in catalogue.events:
            if matches(system, probe.where) and matches(event, probe.what):
                yield _event_row(catalogue, probe._replace(where=system, what=event), arguments)
    elif probe.where:
        found = catalogue.find_all_user_functions(probe)
        for place, why in found:
            yield ProbeRow(str(place), why_not=why)
    else:
        yield from _function_rows(catalogue, probe)


def _event_row(catalogue: Catalogue, probe: Probe, arguments: bool) -> ProbeRow:
    if not arguments:
        return ProbeRow(str(probe))
    path = f"events/{probe.where}/{probe.what}/format"
    try:
        read = parse_format(catalogue.tracefs.read_bytes(path), path)
    except (TraceFsError, BadFormat) as error:
        return ProbeRow(str(probe), why_not=str(error))
    return ProbeRow(str(probe), tuple((field.type, field.name) for field in read.fields))


def _function_rows(catalogue: Catalogue, probe: Probe) -> Iterator[ProbeRow]:
    functions = catalogue.functions
    if not functions.names:
        raise BadProbe(f"{probe}: the names of functions may not be read here: {functions.note}")
    for name in functions.matching(probe.what):
        why = catalogue.why_left_out(name)
        yield ProbeRow(str(probe._replace(what=name)), (), why, functions.module.get(name, ""))
