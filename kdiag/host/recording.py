"""What a recording looks like on disk or in a tar, and the names in it that are believed.

::

    bundle.json              written first: what this is, and the facts of the first sample
    root/proc/stat           files of sample 0, as they were read
    samples/1/root/proc/stat files of sample 1, and so on
    manifest.json            written last: how it ended, facts per sample, users, every single operation

The header comes first so that a recording which was cut off still says what it is and knows its page size;
the manifest comes last so that its absence proves the cut.
"""

import re
from typing import Optional, Tuple

from kdiag.host.base import Failure

__all__ = [
    "BUNDLE",
    "MANIFEST",
    "MAX_DEPTH",
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "MAX_TOTAL_BYTES",
    "BadRecording",
    "components",
    "place",
]

BUNDLE = "bundle.json"
MANIFEST = "manifest.json"

MAX_DEPTH = 32
MAX_FILES = 200_000
MAX_FILE_BYTES = 64 << 20
MAX_TOTAL_BYTES = 512 << 20

_COMPONENT = re.compile(rb"[^/\x00-\x1f\x7f]{1,255}")


class BadRecording(ValueError):
    """Something that cannot be used as a recording: where, what is wrong with it, and what would do."""

    def __init__(self, path: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {what}" + (f"; {remedy}" if remedy else ""))
        self.path = path
        self.what = what
        self.remedy = remedy

    @classmethod
    def from_failure(cls, failure: Failure, remedy: str) -> "BadRecording":
        """Say that the recording itself could not be read."""
        told = str(failure)[len(failure.path) + 2 :]
        return cls(failure.path, "there is no such file" if failure.kind == "absent" else told, remedy)


def components(path: str) -> Optional[Tuple[bytes, ...]]:
    r"""Return the names that make up a path inside a recording, or ``None`` if it is not to be trusted.

    >>> components("root/proc/stat")
    (b'root', b'proc', b'stat')
    >>> components("root/../../etc/passwd"), components("/etc"), components("a//b"), components("a\x1b")
    (None, None, None, None)
    """
    try:
        names = tuple(path.encode("utf-8", "surrogateescape").split(b"/"))
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return None
    trusted = len(names) <= MAX_DEPTH and all(
        _COMPONENT.fullmatch(name) and name not in (b".", b"..") for name in names
    )
    return names if trusted else None


def place(path: str, sample: int) -> str:
    """Return where in a recording the bytes of a host's file lie.

    >>> place("/proc/stat", 0), place("/proc/stat", 1)
    ('root/proc/stat', 'samples/1/root/proc/stat')
    """
    return f"root{path}" if sample == 0 else f"samples/{sample}/root{path}"
