"""What tracing commands do alike, without any tracing."""

import errno
import os
import signal
from typing import Any, List, Optional, Tuple

import click
import pytest
from click.testing import CliRunner

from kdiag.cli.failed import Failed
from kdiag.cli.tracing import (
    CommandWithTarget,
    command_of,
    ends_with_summary,
    target_of,
    target_options,
    told_as_failures,
)
from kdiag.ftrace.probe import BadProbe
from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError
from kdiag.host.live import LiveHost


def _called(*words: str) -> Tuple[int, List[Any], str]:
    seen: List[Any] = []

    @click.command(cls=CommandWithTarget)
    @click.argument("probes", nargs=-1)
    @target_options
    @click.pass_context
    def command(
        ctx: click.Context,
        probes: Tuple[str, ...],
        pid: Optional[int],
        tid: Optional[int],
        comm: Optional[str],
        cgroup: Optional[str],
        for_s: Optional[float],
    ) -> None:
        seen.extend((probes, pid, tid, comm, cgroup, for_s, command_of(ctx)))

    done = CliRunner().invoke(command, words)
    return done.exit_code, seen, done.output


def test_what_follows_the_dashes_is_the_command_with_its_own_options() -> None:
    code, seen, _ = _called("a", "--for", "2", "b", "--", "ls", "-p", "x", "--", "y")
    assert code == 0
    assert seen == [("a", "b"), None, None, None, None, 2.0, ("ls", "-p", "x", "--", "y")]


def test_dashes_without_a_command_are_an_error_and_the_usage_names_it() -> None:
    assert "there is no command to run" in _called("a", "--")[2]
    assert "[-- CMD [ARG]...]" in _called("--help")[2]


@pytest.mark.parametrize("words", [("--for", "0"), ("-p", "0"), ("--for", "x")])
def test_numbers_that_make_no_sense_are_refused(words: Tuple[str, ...]) -> None:
    assert _called(*words)[0] == 2


def test_only_one_thing_can_be_watched() -> None:
    with pytest.raises(Failed, match="-- CMD and -p do not go together"):
        target_of(LiveHost(), ["true"], 1, None)
    assert target_of(LiveHost(), (), None, None) is None


def test_the_first_interrupt_is_a_wish_and_the_second_an_end() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ends_with_summary() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wanted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_with_summary():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_errors_of_the_engine_become_lines_for_the_user() -> None:
    with pytest.raises(Failed) as caught, told_as_failures():
        raise TraceFsError("/T/x", errno.EINVAL, "a b", "the kernel says: no\n  a b\n    ^", "try c")
    assert [str(caught.value), *caught.value.more] == [
        "/T/x: the kernel refused 'a b': Invalid argument (EINVAL)",
        "the kernel says: no",
        "  a b",
        "    ^",
        "try c",
    ]
    with pytest.raises(Failed, match="no such event"), told_as_failures():
        raise BadProbe("no such event")


def test_without_tracefs_it_is_told_what_helps_and_what_works() -> None:
    with pytest.raises(Failed) as caught, told_as_failures():
        raise NoTraceFs("not mounted", "be root")
    assert [str(caught.value), *caught.value.more] == [
        "tracing is not possible here: not mounted",
        "what would help: be root",
        "what works without it: `kdiag snapshot`, which reads /proc alone, as any user may",
    ]
