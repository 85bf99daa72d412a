"""What every command does alike: open the host that is named, and print."""

import os
import sys
from typing import TYPE_CHECKING, Iterable

from kdiag.cli.failed import Failed
from kdiag.host.base import Host
from kdiag.host.open import open_host

if TYPE_CHECKING:
    from kdiag.report.terminal import Style

__all__ = ["open_root", "style_of_output", "write"]


def open_root(root: str) -> Host:
    """Open the host or the recording at ``root``, or fail with what is wrong with it."""
    from kdiag.host.recording import BadRecording

    try:
        return open_host(root)
    except BadRecording as error:
        raise Failed(str(error)) from None


def style_of_output() -> "Style":
    """Return what standard output can show."""
    from kdiag.report.terminal import style_of

    return style_of(sys.stdout, os.environ)


def write(lines: Iterable[str]) -> None:
    """Print lines at once, so that a closed pipe shows here and not at exit."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
