"""The options of the commands that run on a sick host, as data: click and the quick reader both go by it."""

from typing import Any, Tuple

from kdiag.records import NamedTuple

__all__ = ["CHECK", "FAIL_ON", "SNAPSHOT", "Option", "defaults"]

#: ``--fail-on``: the least status that makes the exit code other than 0.
FAIL_ON = ("info", "warning", "critical", "unknown", "never")


class Option(NamedTuple):
    """One option.

    ``kind`` is ``flag``, ``seconds``, ``count``, ``text``, ``texts`` (may be repeated) or ``choice``.
    """

    flag: str
    kind: str
    help: str
    default: Any = None
    metavar: str = ""
    choices: Tuple[str, ...] = ()

    @property
    def dest(self) -> str:
        """The name of its value.

        >>> Option("--per-cpu", "flag", "").dest
        'per_cpu'
        """
        return self.flag[2:].replace("-", "_")


_ROOT = Option(
    "--root", "text", "Look at this host: / , a mounted host such as /host, or a recording.", "/", "PATH"
)
_INTERVAL = Option("--interval", "seconds", "Seconds between two readings.", 1.0, "S")
_ONCE = Option("--once", "flag", "Take one reading; what needs two is marked `since boot`.", False)
_THRESHOLDS = Option(
    "--thresholds",
    "text",
    "Take thresholds from this file as well (and from /etc/kdiag/thresholds.ini).",
    None,
    "FILE",
)
_FAIL_ON = Option(
    "--fail-on",
    "choice",
    "The least status that makes the exit code other than 0.",
    "warning",
    "LEVEL",
    FAIL_ON,
)
_JSON = Option("--json", "flag", "Print one JSON document (JSON lines with --watch).", False)
_DEBUG = Option("--debug", "flag", "Show the traceback of an error in kdiag itself.", False)

SNAPSHOT: Tuple[Option, ...] = (
    _INTERVAL,
    Option("--for", "seconds", "Keep reading for so long, and judge every interval of it.", None, "S"),
    Option("--watch", "flag", "Print a snapshot every interval until interrupted (or for --for S).", False),
    _ONCE,
    _ROOT,
    Option(
        "--section",
        "texts",
        "Show only these sections (findings, or tables' names; repeat it, or use commas).",
        (),
        "NAME",
    ),
    Option("--per-cpu", "flag", "One row a CPU.", False),
    Option("--top", "count", "How many tasks, disks or interfaces a table shows.", 10, "N"),
    Option("--explain", "flag", "Say beside the tables what their rows mean and which overlap.", False),
    Option("--all", "flag", "List the checks that passed, too.", False),
    _JSON,
    Option("--markdown", "flag", "Print Markdown, to paste into a ticket.", False),
    _FAIL_ON,
    Option("--timings", "flag", "Show what reading each file cost.", False),
    _THRESHOLDS,
    _DEBUG,
)

CHECK: Tuple[Option, ...] = (
    _INTERVAL,
    _ONCE,
    _ROOT,
    _JSON._replace(help="Print one JSON document."),
    _FAIL_ON,
    _THRESHOLDS,
    _DEBUG,
)


def defaults(options: Tuple[Option, ...]) -> "dict[str, Any]":
    """Return the value of each option that is not given."""
    return {option.dest: option.default for option in options}
