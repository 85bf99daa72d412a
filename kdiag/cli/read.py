"""``kdiag read``: what a trace file holds that somebody else recorded."""

import sys
from contextlib import contextmanager
from typing import Iterable, Iterator, Optional, Tuple, Type

import click

from kdiag.cli.failed import Failed
from kdiag.cli.output import style_of_output, write
from kdiag.tools.read import NotATrace, read_trace

__all__ = ["command"]

_COUNT = click.IntRange(1, 100_000)
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\0"


@click.command("read")
@click.argument("file", metavar="FILE")
@click.option(
    "--machine",
    type=click.Choice(["x86_64", "aarch64"]),
    help="Whose numbers of system calls raw_syscalls events have.",
)
@click.option(
    "--top",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Rows of a table.",
)
@click.option(
    "--depth",
    type=click.IntRange(0, 100),
    default=12,
    show_default=True,
    metavar="N",
    help="Depth of the tree.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(file: str, machine: Optional[str], top: int, depth: int, as_json: bool) -> int:
    """Sum up FILE, the text of `trace` or `trace_pipe` that somebody recorded (- for standard input),
    compressed with gzip or xz or not.

    Event lines: counts by event and by thread, and the times of system calls whose begin and end are there.
    function_graph: times by function, and the slowest call's tree. Lost events are counted and told.
    """
    with _lines(file) as lines:
        try:
            summary = read_trace(lines, "standard input" if file == "-" else file, machine)
        except NotATrace as error:
            raise Failed(str(error)) from None
    if as_json:
        from kdiag.report.json_envelope import dump
        from kdiag.report.read import read_document

        write([dump(read_document(summary, file), 2)])
    else:
        from kdiag.report.read import read_lines

        write(read_lines(summary, file, top, depth, style_of_output()))
    return 0


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    """Open the file, or what is compressed in it."""
    if file == "-":
        yield sys.stdin.buffer
        return
    damaged: Tuple[Type[Exception], ...] = (EOFError,)
    try:
        with open(file, "rb") as opened:
            start = opened.read(8)
            opened.seek(0)
            if start.startswith(_GZIP):
                import gzip
                import zlib

                damaged = (EOFError, zlib.error)
                yield gzip.GzipFile(fileobj=opened)
            elif start.startswith(_XZ):
                import lzma

                damaged = (EOFError, lzma.LZMAError)
                with lzma.open(opened) as unpacked:
                    yield unpacked
            else:
                yield opened
    except OSError as error:
        raise Failed(f"{file}: {error.strerror or error}") from None
    except damaged as error:
        raise Failed(f"{file}: what is compressed in it is damaged or cut off: {error}") from None
