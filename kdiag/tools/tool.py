"""What a tool is: a question, its rows, and the mechanisms that answer it, best first.

A tool is a package ``kdiag/tools/<name>/``: ``__init__`` has its rows and its :class:`Tool`, and there is one
module for each mechanism (``by_bcc``, ``by_bpf``, ``by_ftrace``, ``by_procfs``) with a function
``run(run) -> Iterator[Item]``, imported only when it is tried. All of them yield the same rows.
:mod:`kdiag.tools.family` lists the tools; options, help, text, JSON and doctor's rows follow from that.
"""

from typing import Any, Callable, Mapping, Optional, Tuple, Type, Union

from kdiag.records import NamedTuple
from kdiag.tools.histogram import Histogram

__all__ = [
    "BadOption",
    "CannotUse",
    "Item",
    "LostHere",
    "Option",
    "StackRow",
    "Summary",
    "Tool",
    "ToolMechanism",
]


class CannotUse(Exception):
    """A mechanism does not do here, said before :meth:`kdiag.tools.run.Run.begin`: the next one is tried."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class BadOption(Exception):
    """The user gave an option a value that it cannot have; the message says which, and what would do."""


class Option(NamedTuple):
    """An option of one tool; ``kind`` is flag, number, seconds, text, texts or choice.

    ``name`` is the key under which mechanisms find it in ``run.options``. Where ``takes_arguments``, it is
    filled from the words of the command line that are no options.
    """

    name: str
    flags: Tuple[str, ...]
    help: str
    kind: str = "flag"
    metavar: Optional[str] = None
    default: Any = None
    choices: Tuple[str, ...] = ()
    takes_arguments: bool = False


class ToolMechanism(NamedTuple):
    """One way to answer: ``name`` for ``--backend``, the module with ``run``, and what doctor must find.

    ``missing`` are fields of the rows that it cannot give, with the reason; they are ``None`` then.
    """

    name: str
    module: str
    needs: Tuple[str, ...]
    gives: str
    missing: Mapping[str, str] = {}


class LostHere(NamedTuple):
    """Events are missing in a stream at this place; ``events`` is ``None`` where nobody knows how many."""

    events: Optional[int]


class StackRow(NamedTuple):
    """A stack with a weight: frames from the outermost to the innermost, each as text, kernel frames last.

    ``kernel_frames`` says how many of them, at the inner end, are the kernel's.
    """

    key: str
    frames: Tuple[str, ...]
    kernel_frames: int
    weight: int


class Summary(NamedTuple):
    """What was found in one interval, or in all the time: rows, worst first, histograms, stacks.

    ``total_rows`` is their number before ``--top``. ``started_s`` and ``duration_s`` say which time it is of.
    """

    rows: Tuple[Any, ...] = ()
    histograms: Tuple[Histogram, ...] = ()
    stacks: Tuple[StackRow, ...] = ()
    started_s: float = 0.0
    duration_s: float = 0.0
    notes: Tuple[str, ...] = ()


#: What a mechanism yields: rows of a stream as they come, or a summary at the end of each interval.
Item = Union[Summary, LostHere, Any]


class Tool(NamedTuple):
    """A question.

    ``streams`` tells whether rows come one by one. ``columns`` are the fields shown in a table, with the
    width that each takes in a stream (0: the rest of the line). ``rate`` names what happens when a probe of
    it fires (:mod:`kdiag.tools.cost`). ``check`` raises :exc:`BadOption` for options that do not go together.
    """

    name: str
    group: str
    question: str
    help: str
    row: Optional[Type[Any]]
    columns: Tuple[Tuple[str, int], ...]
    mechanisms: Tuple[ToolMechanism, ...]
    options: Tuple[Option, ...] = ()
    streams: bool = False
    weight_unit: str = ""
    rate: str = ""
    check: Callable[[Mapping[str, Any]], None] = lambda options: None
