"""What every parser owes, whatever its file: it never raises, and a file cut off in a line is flagged."""

from typing import Any, Callable, Protocol, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.procfs.text import Problem


class Record(Protocol):
    """Any parsed record."""

    @property
    def problems(self) -> Tuple[Problem, ...]: ...


Parser = Callable[[bytes, str], Any]


def holds_when_cut_anywhere(parse: Parser, sample: bytes) -> None:
    """Cut ``sample`` at every byte: no exception, and a cut inside a line is flagged."""
    for length in range(len(sample)):
        record = parse(sample[:length], "/proc/cut")
        if length and not sample[:length].endswith(b"\n"):
            assert record.problems, f"cut at byte {length} was not flagged: {sample[:length][-40:]!r}"


def holds_for_any_bytes(parse: Parser, sample: bytes, examples: int = 150) -> None:
    """Feed arbitrary bytes, and ``sample`` with one stretch of it replaced: no exception."""

    @settings(max_examples=examples, deadline=None)
    @given(st.data())
    def survives(data: st.DataObject) -> None:
        noise = data.draw(st.binary(max_size=60))
        start = data.draw(st.integers(0, len(sample)))
        end = data.draw(st.integers(start, min(len(sample), start + 40)))
        digits = b"9" * 5000  # more than int() takes
        for text in (noise, sample[:start] + noise + sample[end:], sample[:start] + digits + sample[end:]):
            for found in parse(text, "/proc/noise").problems:
                assert found.path == "/proc/noise"
                assert found.line >= 1

    survives()
