"""``kdiag path``: where in the kernel the time of a system call goes, and where its error comes from."""

import sys
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import click

from kdiag.cli.failed import Failed
from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import (
    CommandWithTarget,
    Stop,
    command_of,
    ends_with_summary,
    host_name,
    target_of,
    target_options,
    told_as_failures,
)
from kdiag.host.base import Host
from kdiag.path.mechanisms import MECHANISMS, MECHANISMS_OF_ALL

__all__ = ["command"]

#: Options that say who is watched.
_WHOM = ("pid", "tid", "comm", "cgroup")


@click.command("path", cls=CommandWithTarget)
@click.argument("words", nargs=-1, metavar="[SYSCALL] | diff A B")
@target_options
@click.option("--function", metavar="F", help="Calls of this kernel function in place of a system call.")
@click.option("--all", "everything", is_flag=True, help="Every system call, summed up by name.")
@click.option(
    "--slowest", "which", flag_value="slowest", default=True, help="Show the slowest call (default)."
)
@click.option("--failing", "which", flag_value="failing", help="Show the first call that fails.")
@click.option("--nth", type=click.IntRange(1), metavar="N", help="Show the N-th call.")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="Show the tree down to this depth.")
@click.option(
    "--min-us", type=click.FloatRange(0), metavar="US", help="Fold calls shorter than this together."
)
@click.option("--interrupts", is_flag=True, help="Show what interrupts called, too.")
@click.option("--calls", "most_calls", type=click.IntRange(1), metavar="N", help="End after N calls.")
@click.option(
    "--backend",
    type=click.Choice(list(dict.fromkeys(each.name for each in (*MECHANISMS, *MECHANISMS_OF_ALL)))),
    help="See it this way, or say why not.",
)
@click.option("--no-narrow", is_flag=True, help="Do not learn first which functions matter.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-o", "--output", metavar="FILE", help="Write that call: FILE.svg, .json, .folded.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--save", metavar="DIR", help="Keep the capture in a new folder, for --root DIR.")
@click.option(
    "--dry-run", is_flag=True, help="Print each write to tracefs that would be made, and make none."
)
@click.option(
    "--root",
    default="/",
    show_default=True,
    metavar="PATH",
    help="The host as a container sees it; or a saved capture, or a text of function_graph.",
)
@click.pass_context
def command(ctx: click.Context, /, words: Tuple[str, ...], **options: Any) -> int:
    """Show the path of a system call through the kernel: time by layer, waits, the error.

    kdiag path openat -- cat /etc/hostname; kdiag path read -p PID; kdiag path --all -- CMD;
    kdiag path diff A B compares two captures of --save.
    """
    argv = command_of(ctx)
    if words[:1] == ("diff",):
        return _diff(words[1:], options["as_json"])
    if options["output"]:
        _check_ending(options["output"])
    if _is_capture(options["root"]):
        return _show_saved(words, argv, options)
    return _trace(words, argv, options)


# A live trace


def _trace(words: Sequence[str], argv: Sequence[str], options: Dict[str, Any]) -> int:
    from kdiag.path.saved import Saver

    with _told(), told_as_failures(), ends_with_summary() as stop:
        host = open_root(options["root"])
        if host.kind not in ("live",):
            raise Failed(f"{options['root']}: a path can be seen on a live host only, or in a saved capture")
        request = _request(host, words, argv, options)
        saver: Optional[Saver] = None
        if options["save"] and not options["dry_run"]:
            saver = _new_saver(options["save"])
            request = request._replace(raw=saver.raw)
        try:
            return _run(host, request, argv, options, stop, saver)
        finally:
            if saver is not None:
                saver.discard()


def _run(
    host: Host, request: Any, argv: Sequence[str], options: Dict[str, Any], stop: Stop, saver: Any
) -> int:
    from kdiag.doctor.mechanism import PassedOver, choose
    from kdiag.doctor.trials import Trials
    from kdiag.ftrace.tracefs import NoTraceFs, PlannedTraceFs, TraceFs, find_tracefs
    from kdiag.path.acquire import acquire_by
    from kdiag.path.result import summarize

    with Trials(host) as trials:
        mechanisms = MECHANISMS_OF_ALL if request.everything else MECHANISMS
        question = f"path of {request.shown}"
        choice = choose(question, mechanisms, trials.try_capability, options["backend"])
        taken = "" if options["backend"] or choice.name != "function_graph" else _why_taken(host)
        if taken:
            # Somebody else traces just now: what needs nothing global works beside them.
            others = [each for each in mechanisms if each.name != choice.name]
            better = (*choice.passed_over, PassedOver(choice.name, taken))
            choice = choose(question, others, trials.try_capability)
            choice = choice._replace(passed_over=(*better, *choice.passed_over))
    tracefs: Optional[TraceFs] = None
    try:
        tracefs = find_tracefs(host)
    except NoTraceFs:
        if choice.name not in ("bpf", "samples", "wchan"):
            raise
    if options["dry_run"]:
        tracefs = None if tracefs is None else PlannedTraceFs(tracefs)
    as_json = options["as_json"]
    target = target_of(
        host,
        argv,
        options["pid"],
        options["comm"],
        tid=options["tid"],
        cgroup=options["cgroup"],
        stdout=2 if as_json else None,
    )
    started_ns, began_s = host.facts.wall_clock_ns, _monotonic_s()
    try:
        capture = acquire_by(choice.name)(request, host, tracefs, target, choice, lambda: stop.wanted)
        result = summarize(
            request.shown,
            capture,
            which="nth" if options["nth"] else options["which"],
            nth=options["nth"] or 1,
            **({} if saver is None else {"each": saver.call}),
        )
    finally:
        left = "" if target is None else target.end()
    result = result._replace(started_ns=started_ns, duration_s=_monotonic_s() - began_s)
    if left:
        result.outcome.notes.append(f"{target.shown if target else ''}: {left}")
    if options["dry_run"]:
        planned = tracefs.plan if isinstance(tracefs, PlannedTraceFs) else ()
        write([*result.outcome.plan, *map(str, planned)])
        return 0
    named = host_name(host)
    if saver is not None:
        saver.finish(
            request.shown, result.capture, started_ns=started_ns, duration_s=result.duration_s, host=named
        )
    return _show(result, options, named)


def _why_taken(host: Host) -> str:
    """Say who holds what is global in tracefs, nothing if nobody does."""
    from kdiag.ftrace.global_state import GlobalBusy, GlobalState
    from kdiag.ftrace.tracefs import find_tracefs

    try:
        with GlobalState(find_tracefs(host), host):
            return ""
    except GlobalBusy as error:
        return "; ".join(error.holders)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what mechanisms raise into what a user is told."""
    from kdiag.path.request import CannotAcquire

    try:
        yield
    except CannotAcquire as error:
        raise Failed(*str(error).split("\n")) from None


def _request(host: Host, words: Sequence[str], argv: Sequence[str], options: Dict[str, Any]) -> Any:
    from kdiag.kernel.machine import machine_of
    from kdiag.path.request import Request

    asked = [
        name
        for name, given in (
            ("SYSCALL", words),
            ("--function", options["function"]),
            ("--all", options["everything"]),
        )
        if given
    ]
    if len(asked) != 1:
        said = " and ".join(asked)
        what = f"{said} do not go together" if asked else "nothing says which call"
        raise Failed(f"{what}: name a system call, or give --function F, or --all")
    if len(words) > 1:
        raise Failed(f"one system call at a time, not {' '.join(words)}; a command comes after --")
    if not argv and not any(options[name] for name in (*_WHOM, "for_s")):
        raise Failed("of whom? Give -- CMD, -p PID, --comm NAME or --cgroup PATH; or --for S")
    machine = machine_of(host) or ""
    return Request(
        syscalls=_syscalls(words[0], machine) if words else (),
        function=options["function"] or "",
        everything=options["everything"],
        for_s=options["for_s"],
        most_calls=options["most_calls"] or options["nth"],
        narrow=not options["no_narrow"],
        machine=machine,
    )


def _syscalls(word: str, machine: str) -> Tuple[str, ...]:
    """Return the entry points that a user's word means, or fail with what may have been meant."""
    from difflib import get_close_matches

    from kdiag.kernel import syscalls

    found = syscalls.meant_by(word, machine)
    if found:
        return found
    names = [syscalls.name_of(number, machine) for number in range(1024)]
    near = get_close_matches(word, [name for name in names if name], 5, 0.6)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise Failed(f"{word}: there is no such system call{hint}", "a kernel function is given by --function")


def _new_saver(folder: str) -> Any:
    from kdiag.path.saved import Saver

    try:
        return Saver(folder)
    except FileExistsError:
        raise Failed(f"{folder}: it exists; a capture is saved in a new folder") from None
    except OSError as error:
        raise Failed(f"{folder}: {error.strerror}") from None


def _monotonic_s() -> float:
    import time

    return time.monotonic()


# What was saved


def _is_capture(root: str) -> bool:
    if root == "/":
        return False
    from kdiag.path.saved import is_saved

    return is_saved(root)


def _show_saved(words: Sequence[str], argv: Sequence[str], options: Dict[str, Any]) -> int:
    if argv or any(options[name] for name in (*_WHOM, "for_s", "save", "dry_run")):
        raise Failed(f"{options['root']} is a capture: there is nothing to trace or to save")
    result, host = _saved(options["root"], "nth" if options["nth"] else options["which"], options["nth"] or 1)
    if words and words[0] not in result.asked:
        raise Failed(f"{options['root']}: a capture of {result.asked}, not of {words[0]}")
    return _show(result, options, host)


def _saved(path: str, which: str = "slowest", nth: int = 1) -> Tuple[Any, Dict[str, Any]]:
    from kdiag.path.result import summarize
    from kdiag.path.saved import BadCapture, open_saved

    try:
        saved = open_saved(path)
        result = summarize(saved.asked, saved.capture, which=which, nth=nth)
    except BadCapture as error:
        raise Failed(str(error)) from None
    return result._replace(started_ns=saved.started_ns, duration_s=saved.duration_s), saved.host


def _diff(folders: Sequence[str], as_json: bool) -> int:
    from kdiag.path.diff import compare
    from kdiag.report.path_diff import diff_document, diff_lines

    if len(folders) != 2:
        raise Failed("kdiag path diff A B compares two captures that --save made")
    diff = compare(_saved(folders[0])[0], _saved(folders[1])[0])
    if as_json:
        from kdiag.report.json_envelope import dump

        write([dump(diff_document(diff, folders), 2)])
    else:
        write(diff_lines(diff, folders, style_of_output()))
    return 0


# What is shown


def _show(result: Any, options: Dict[str, Any], host: Dict[str, Any]) -> int:
    if options["output"]:
        from kdiag.report.path_files import CannotWrite, write_file

        try:
            write_file(options["output"], result, options["force"])
        except CannotWrite as error:
            raise Failed(str(error)) from None
    if options["as_json"]:
        from kdiag.report.json_envelope import dump
        from kdiag.report.path_json import path_document

        write([dump(path_document(result, host or None), 2)])
    else:
        write(_lines(result, options))
    return 0


def _lines(result: Any, options: Dict[str, Any]) -> Iterator[str]:
    from kdiag.report.path_text import path_lines
    from kdiag.report.path_tree import TreeView

    min_us = options["min_us"]
    view = TreeView(options["depth"], None if min_us is None else round(min_us * 1000), options["interrupts"])
    yield from path_lines(result, view, style_of_output())
    if options["output"]:
        sys.stderr.write(f"kdiag: {options['output']} written\n")


def _check_ending(path: str) -> None:
    from kdiag.report.path_files import CannotWrite, ending_of

    try:
        ending_of(path)
    except CannotWrite as error:
        raise Failed(str(error)) from None
