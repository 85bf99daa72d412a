"""The command line: parse, call, render. No logic.

A plain command line is read without click, and nothing is imported that the command does not use: on a
sick host the imports are most of what kdiag costs.
"""

import gc
import os
import sys
from typing import List, NoReturn, Optional

from kdiag.cli.failed import Failed

__all__ = ["entry", "main"]

EXIT_COULD_NOT = 3


def entry() -> NoReturn:
    """Run kdiag as a program and end the process.

    One run makes no cycles worth collecting, and taking an interpreter apart that is about to end costs as
    much CPU as reading a host, so neither is done (`--watch` turns collecting on again).
    """
    gc.disable()
    code = main()
    sys.stderr.flush()
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
        print(f"kdiag: {error}", file=sys.stderr)
        return EXIT_COULD_NOT
    except KeyboardInterrupt:
        print("kdiag: interrupted before there was anything to tell", file=sys.stderr)
        return EXIT_COULD_NOT
    except Exception as error:
        if "--debug" in words:
            raise
        print(
            f"kdiag: {type(error).__name__}: {error}\n"
            "This is a defect in kdiag; run it again with --debug and report what it shows.",
            file=sys.stderr,
        )
        return EXIT_COULD_NOT


def _run(words: List[str]) -> int:
    from kdiag.cli.quick import read_quickly

    request = read_quickly(words)
    if request is None:
        from kdiag.cli.commands import run_with_click

        return run_with_click(words)
    from kdiag.cli.run import RUNNERS

    return RUNNERS[request.command](request.values)
