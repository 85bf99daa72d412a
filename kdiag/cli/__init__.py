"""The command line: parse, call, render. No logic.

A plain command line is read without click, and nothing is imported that the command does not use: on a
sick host the imports are most of what kdiag costs.
"""

import errno
import gc
import io
import os
import sys
from typing import List, NoReturn, Optional

from kdiag.cli.failed import Failed

__all__ = ["entry", "main"]

EXIT_COULD_NOT = 3
#: How writing to standard output fails; a file that cannot be opened has its name in the error.
_UNWRITABLE = (errno.EAGAIN, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)


def entry() -> NoReturn:
    """Run kdiag as a program and end the process.

    One run makes no cycles worth collecting, and taking an interpreter apart that is about to end costs as
    much CPU as reading a host, so neither is done (`--watch` turns collecting on again).
    """
    gc.disable()
    _mend_streams()
    try:
        code = main()
    except Exception:  # noqa: BLE001 - shown, as --debug wants it; Python's exit code would mean `warning`
        sys.excepthook(*sys.exc_info())
        code = EXIT_COULD_NOT
    os._exit(code)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run kdiag and return its exit code. No traceback is shown without ``--debug``."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output went away (`kdiag | head`): be quiet, also when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
        return 0
    except Failed as error:
        return _complain(str(error), *error.more)
    except KeyboardInterrupt:
        return _complain("interrupted before there was anything to tell")
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE:
            return _complain(f"cannot write to standard output: {os.strerror(error.errno)}")
        if "--debug" in words:
            raise
        return _complain(
            f"{type(error).__name__}: {error}",
            "This is a defect in kdiag; run it again with --debug and report what it shows.",
        )


def _complain(what: str, *more: str) -> int:
    """Say on stderr why there is no answer; where that cannot be written, the exit code has to do."""
    from contextlib import suppress

    from kdiag.report.escape import printable

    with suppress(OSError):
        print(f"kdiag: {printable(what)}", *map(printable, more), sep="\n", file=sys.stderr, flush=True)
    return EXIT_COULD_NOT


def _mend_streams() -> None:
    """See to it that there is something to write to, and that all of what is written arrives there.

    A stream that was closed (`>&-`) is ``None``, and the next file that is opened would get its number. With
    PYTHONUNBUFFERED nobody writes the rest after a short write, as on a full disk.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the end
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and isinstance(out.buffer, io.RawIOBase):
        encoding, errors = out.encoding, out.errors
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(out.detach()), encoding, errors)


def _run(words: List[str]) -> int:
    from kdiag.cli.quick import read_quickly

    request = read_quickly(words)
    if request is None:
        from kdiag.cli.commands import run_with_click

        return run_with_click(words)
    from kdiag.cli.run import RUNNERS

    return RUNNERS[request.command](request.values)
