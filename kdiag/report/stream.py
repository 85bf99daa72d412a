"""What ``kdiag stream`` prints: a line an event, as text or as JSON; loss is told where it is.

The JSON lines are three kinds of documents, told apart by ``kind``: one ``begin``, ``event`` and ``lost`` as
they come, one ``end`` with the totals.
"""

from typing import Any, Dict, Iterator, Optional, Sequence, Union

from kdiag.doctor.mechanism import Choice
from kdiag.report.choice import choice_document, choice_lines
from kdiag.report.json_envelope import dump, envelope
from kdiag.report.layout import pad, wrap
from kdiag.report.terminal import Style
from kdiag.tools.stream import LostHere, Stream, StreamRow

__all__ = ["StreamJson", "StreamText"]

_CHOICE = Choice("stream", "every event is recorded, read and shown")
_HEAD = ("time_s", "CPU", "comm", "pid", "event", "fields")
_WIDTHS = (12, 3, 15, 7, 24)
_RIGHT = (True, True, False, True, False)


class StreamText:
    """Lines for people, in columns of fixed widths: a line cannot wait for those after it."""

    def __init__(self, style: Style) -> None:
        self._style = style

    def begin(self, shown: str, started_ns: Optional[int]) -> Iterator[str]:
        """Yield the head."""
        yield from wrap(self._style.safe(f"events of {shown}"), self._style.width, indent=2)
        yield from choice_lines(_CHOICE, self._style)
        yield ""
        yield self._style.paint("header", self._line(_HEAD))

    def row(self, row: Union[StreamRow, LostHere]) -> Iterator[str]:
        """Yield the line of an event, and of its stack."""
        if isinstance(row, LostHere):
            what = "events are" if row.events is None else f"{row.events} events are"
            why = f": {row.why}" if row.why else ""
            told = f"--- {what} missing here, of CPU {row.cpu}{why} ---"
            yield self._style.paint("warning", self._style.safe(told))
            return
        fields = " ".join(f"{name}={text}" for name, text in row.fields)
        yield self._line((f"{row.time_s:.6f}", str(row.cpu), row.comm, str(row.pid), row.event, fields))
        if row.stack is not None:
            for function in row.stack or ("(no kernel stack)",):
                yield self._style.safe(f"{' ' * 17}{function}")

    def end(self, stream: Stream, notes: Sequence[str]) -> Iterator[str]:
        """Yield the totals."""
        yield ""
        yield f"{stream.number} events in {stream.duration_s:.3g} s; {stream.ended}"
        yield f"lost: {stream.lost} events"
        for note in notes:
            yield from wrap(self._style.safe(f"note: {note}"), self._style.width, indent=2)

    def _line(self, cells: Sequence[str]) -> str:
        padded = [
            pad(self._style.safe(cell), width, right) for cell, width, right in zip(cells, _WIDTHS, _RIGHT)
        ]
        return " ".join([*padded, self._style.safe(cells[-1])]).rstrip()


class StreamJson:
    """One JSON document a line."""

    def __init__(self, host: Dict[str, Any]) -> None:
        self._host = host
        self._started_ns: Optional[int] = None
        self._shown = ""

    def begin(self, shown: str, started_ns: Optional[int]) -> Iterator[str]:
        """Yield the document that says what is watched."""
        self._started_ns, self._shown = started_ns, shown
        yield self._document({"kind": "begin", "target": shown})

    def row(self, row: Union[StreamRow, LostHere]) -> Iterator[str]:
        """Yield the document of one event, without the envelope: a stream has millions."""
        kind = "lost" if isinstance(row, LostHere) else "event"
        body: Dict[str, Any] = {"kind": kind, **row._asdict()}
        if isinstance(row, StreamRow):
            body["fields"] = row.values
            body["shown"] = {name: text for name, text in row.fields if text[:1] != '"'}
            del body["values"]
        yield dump(_plain(body))

    def end(self, stream: Stream, notes: Sequence[str]) -> Iterator[str]:
        """Yield the totals."""
        body = {
            "kind": "end",
            "target": self._shown,
            "events": stream.number,
            "ended": stream.ended,
            "notes": list(notes),
        }
        yield self._document(body, stream.duration_s, stream.lost)

    def _document(self, body: Dict[str, Any], duration_s: Optional[float] = None, lost: int = 0) -> str:
        return dump(
            envelope(
                "stream",
                body,
                0,
                host=self._host,
                started_ns=self._started_ns,
                duration_s=duration_s,
                mechanism=choice_document(_CHOICE),
                lost=lost,
            )
        )


def _plain(value: Any) -> Any:
    from kdiag.report.escape import unicode_only

    if isinstance(value, str):
        return unicode_only(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {unicode_only(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
