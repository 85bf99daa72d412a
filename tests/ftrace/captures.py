"""The recorded traces in fixtures/captures, whose READMEs say what was run and what came of it."""

from pathlib import Path
from typing import List

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
KERNELS = ("6.12-retval", "7.2-full")


def read(kernel: str, name: str) -> bytes:
    return (CAPTURES / kernel / name).read_bytes()


def lines(kernel: str, name: str) -> List[str]:
    """Return a text file's lines with their newlines; only a newline ends one."""
    with (CAPTURES / kernel / name).open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return list(file)


def graphs() -> List[str]:
    """Return ``kernel/file`` of every function_graph text."""
    return sorted(
        str(path.relative_to(CAPTURES))
        for path in CAPTURES.glob("*/*.txt")
        if path.read_bytes().startswith(b"# tracer: function_graph")
    )
