"""The recorded traces in fixtures/captures, whose READMEs say what was run and what came of it."""

import re
from pathlib import Path
from typing import Dict, List

from kdiag.ftrace.event_format import EventFormat, PageLayout, parse_format, parse_header_page

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


_OF_FTRACE = ("print", "raw_data", "kernel_stack", "user_stack", "funcgraph_entry", "funcgraph_exit")


def formats(kernel: str, name: str) -> List[EventFormat]:
    """Return the formats of a file that holds several; it does not tell their systems."""
    found = []
    for text in re.split(rb"^(?=name: )", read(kernel, name), flags=re.MULTILINE):
        if text.strip():
            event = text.split(b"\n")[0][6:].decode()
            system = "ftrace" if event in _OF_FTRACE else "some"
            found.append(parse_format(text, f"events/{system}/{event}/format"))
    return found


def pages(kernel: str, prefix: str) -> Dict[int, List[bytes]]:
    """Return the raw pages of ``raw-<set>`` by CPU."""
    found: Dict[int, List[bytes]] = {}
    for path in sorted((CAPTURES / kernel).glob(f"{prefix}.cpu?.bin")):
        found[int(path.name.split(".cpu")[1][0])] = [path.read_bytes()]
    return found


def layout(kernel: str) -> PageLayout:
    return parse_header_page(read(kernel, "raw.header_page.txt"), big_endian=False)
