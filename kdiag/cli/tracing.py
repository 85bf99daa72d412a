"""What commands that trace do alike: ``-- CMD``, ``-p PID``, ``--comm NAME``, ``--for S``, signals, errors.

Ctrl-C ends a trace with its summary; a second one ends it without. SIGTERM and SIGHUP end it at once. In
every case what was set up in the kernel is undone first.
"""

import gc
import signal
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Sequence, Tuple

import click

from kdiag.cli import quick
from kdiag.cli.failed import Failed
from kdiag.host.base import Host, ReadError
from kdiag.host.target import CannotRun, NoSuchTarget, Target

__all__ = [
    "CommandWithTarget",
    "Seconds",
    "Stop",
    "command_of",
    "ends_with_summary",
    "host_name",
    "root_option",
    "shown_target",
    "target_of",
    "target_options",
    "told_as_failures",
]

_ARGV = "kdiag.argv"
_DASHES = "--"


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A number of seconds, as everywhere in kdiag."""

    name = "seconds"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> float:
        """Return the number, or fail with what would do."""
        if isinstance(value, float):
            return value
        found = quick.seconds(value)
        if found is None:
            self.fail(f"{value!r} is not a number of seconds from 0.01 to 86400", param, ctx)
        return found


class CommandWithTarget(click.Command):
    """A command whose line may end in ``-- CMD ARG...``, which click would mix with its own arguments."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Cut off the command, and let click parse the rest."""
        if _DASHES in args:
            at = args.index(_DASHES)
            args, argv = args[:at], args[at + 1 :]
            if not argv:
                raise click.UsageError("after -- there is no command to run", ctx)
            ctx.meta[_ARGV] = tuple(argv)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> List[str]:
        """Name it in the usage, too."""
        return [*super().collect_usage_pieces(ctx), "[-- CMD [ARG]...]"]


def command_of(ctx: click.Context) -> Tuple[str, ...]:
    """Return the words after ``--``, nothing if there are none."""
    argv: Tuple[str, ...] = ctx.meta.get(_ARGV, ())
    return argv


def host_name(host: Host) -> Dict[str, Optional[str]]:
    """Return how the host is called, for a document's head."""

    def word(path: str) -> Optional[str]:
        try:
            return host.read(path).decode("utf-8", "surrogateescape").strip()
        except ReadError:
            return None

    return {
        "name": word("/proc/sys/kernel/hostname"),
        "kernel": word("/proc/sys/kernel/osrelease"),
        "kind": host.kind,
        "root": host.root,
    }


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add options that say who is watched and how long: ``pid``, ``tid``, ``comm``, ``cgroup``, ``for_s``."""
    options = (
        click.option("-p", "--pid", type=click.IntRange(1), metavar="PID", help="Only this process."),
        click.option("-t", "--tid", type=click.IntRange(1), metavar="TID", help="Only this thread."),
        click.option("--comm", metavar="NAME", help="Only processes of this name."),
        click.option(
            "--cgroup", metavar="PATH", help="Only processes of this control group and those below."
        ),
        click.option("--for", "for_s", type=Seconds(), metavar="S", help="End after S seconds."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def root_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--root``."""
    return click.option(
        "--root", default="/", show_default=True, metavar="PATH", help="The host, as a container sees it."
    )(function)


def shown_target(target: Optional[Target]) -> str:
    """Say what is watched."""
    return "all processes" if target is None else target.shown


def target_of(
    host: Host,
    argv: Sequence[str],
    pid: Optional[int],
    comm: Optional[str],
    *,
    tid: Optional[int] = None,
    cgroup: Optional[str] = None,
    stdout: Optional[int] = None,
) -> Optional[Target]:
    """Return what is to be watched, ``None`` for everything; a command is started, and waits."""
    ways = (("-- CMD", argv), ("-p", pid), ("-t", tid), ("--comm", comm), ("--cgroup", cgroup))
    given = [name for name, value in ways if value]
    if len(given) > 1:
        raise Failed(f"{' and '.join(given)} do not go together: each says what is to be watched")
    if argv:
        _check_runnable(argv[0])
        return Target.start(host, argv, stdout=stdout)
    if pid:
        return Target.attach(host, pid)
    if tid:
        return Target.thread(host, tid)
    if comm:
        return Target.named(host, comm)
    if cgroup:
        return Target.in_cgroup(host, cgroup)
    return None


def _check_runnable(name: str) -> None:
    """Fail before anything is set up where the command cannot be found."""
    import shutil

    if shutil.which(name) is None:
        raise Failed(f"{name}: there is no such command, or it may not be run")


class Stop:
    """Whether the user wants it to end."""

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def ends_with_summary() -> Iterator[Stop]:
    """Turn the first Ctrl-C into ``stop.wanted``; the second, SIGTERM and SIGHUP into KeyboardInterrupt."""
    stop = Stop()

    def interrupted(number: int, frame: Optional[FrameType]) -> None:
        if stop.wanted:
            _end(number, frame)
        stop.wanted = True

    gc.enable()  # a trace may last; a plain run ends before collecting pays
    before: Dict[int, Any] = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGINT, interrupted),
            (signal.SIGTERM, _end),
            (signal.SIGHUP, _end),
        )
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup, and jobs in the background
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: Optional[FrameType]) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def told_as_failures() -> Iterator[None]:
    """Turn what the engine raises into what a user is told."""
    from kdiag.doctor.mechanism import NoMechanism
    from kdiag.ftrace.elf_symbols import BadElf
    from kdiag.ftrace.global_state import GlobalBusy
    from kdiag.ftrace.journal import UnsafeFolder
    from kdiag.ftrace.probe import BadProbe
    from kdiag.ftrace.session import CannotFollow, NotTornDown
    from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError

    try:
        yield
    except NoTraceFs as error:
        raise Failed(f"tracing is not possible here: {error.reason}", *_instead(error.remedy)) from None
    except (
        CannotFollow,
        TraceFsError,
        NotTornDown,
        GlobalBusy,
        UnsafeFolder,
        NoMechanism,
        BadProbe,
        BadElf,
        CannotRun,
        NoSuchTarget,
        ReadError,
    ) as error:
        raise Failed(*str(error).split("\n")) from None


def _instead(remedy: str) -> List[str]:
    lines = [f"what would help: {remedy}"] if remedy else []
    return [*lines, "what works without it: `kdiag snapshot`, which reads /proc alone, as any user may"]
