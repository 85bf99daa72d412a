"""One call as a flame graph: an SVG file that needs nothing else, not even scripts or the network.

Callers above what they call (an icicle), as wide as their time, in the order in which they ran. Colours are
by layer; what was inferred is hatched, what returned the error has a red frame. Hovering shows the whole
name and its times (``title`` elements, which every browser shows). All text is escaped: names come from
strangers.
"""

import hashlib
from typing import Iterator, List, Tuple
from xml.sax.saxutils import escape

from kdiag.kernel.layers import layer_of
from kdiag.path.call import Call, SyscallCall
from kdiag.path.error_origin import failing_calls
from kdiag.report.escape import printable
from kdiag.report.path_text import result_text
from kdiag.report.path_tree import time_text

__all__ = ["flame_graph"]

_WIDTH = 1200.0
_ROW = 18
_LEAST_WIDTH = 0.3
#: What a character of the font is wide, and what is left free beside a name.
_CHAR, _MARGIN = 6.3, 3.0
_TOP, _BOTTOM, _LEGEND = 58, 12, 16
_MOST_DEPTH = 300

#: Colours of layers, light enough for black text; others get one from their name.
_COLOURS = {
    "system call entry and exit": "#c7c7c7",
    "VFS": "#9ecae9",
    "page cache and writeback": "#ffbf79",
    "block layer": "#d6a5c9",
    "driver": "#e0a0a0",
    "security modules": "#f2e07b",
    "locking": "#e8c4a0",
    "memory management": "#a6d8a8",
    "scheduler and waiting": "#b8b8e8",
    "network": "#8fd5cf",
    "interrupts and timers": "#f0b0c8",
    "processes and signals": "#cfcf8f",
    "(unplaced)": "#eeeeee",
}


def flame_graph(call: SyscallCall, title: str) -> Iterator[str]:
    """Yield the lines of the file."""
    boxes = list(_boxes(call))
    depth = max((box[1] for box in boxes), default=0) + 1
    layers = list(dict.fromkeys(_layer(box[0]) for box in boxes))
    legend_rows = (len(layers) + 3) // 4
    height = _TOP + depth * _ROW + _BOTTOM + legend_rows * _LEGEND + 8
    failing = set()
    root = call.root
    if root is not None and call.errno is not None and not any(each.inferred for each in root.children):
        failing = {id(each) for each in failing_calls(root, call.errno)}
    total_ns = call.duration_ns or 0
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:.0f}" height="{height}" '
        f'viewBox="0 0 {_WIDTH:.0f} {height}" font-family="monospace" font-size="11">'
    )
    yield "<style>g:hover rect{stroke:#000;stroke-width:1.5}text{pointer-events:none}</style>"
    yield (
        '<defs><pattern id="inferred" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="3" height="6" fill="#fff" fill-opacity="0.45"/>'
        "</pattern></defs>"
    )
    yield f'<rect width="100%" height="100%" fill="#fff"/><title>{_text(title)}</title>'
    yield f'<text x="8" y="20" font-size="15">{_text(title)}</text>'
    said = f"{call.name}({call.args or '...'}) = {result_text(call)}, {time_text(call.duration_ns)}"
    yield f'<text x="8" y="38">{_text(_cut(said, _WIDTH - 16))}</text>'
    if any(box[0].inferred for box in boxes):
        note = "hatched: seen on stacks of events; its width is a lower bound of its time"
        yield f'<text x="8" y="52" fill="#666">{note}</text>'
    for each, level, left, width in boxes:
        yield from _box(each, level, left, width, total_ns, id(each) in failing)
    top = _TOP + depth * _ROW + _BOTTOM
    for index, layer in enumerate(layers):
        x, y = 8 + (index % 4) * 295, top + (index // 4) * _LEGEND
        yield f'<rect x="{x}" y="{y}" width="10" height="10" fill="{_colour(layer)}"/>'
        yield f'<text x="{x + 15}" y="{y + 9}">{_text(layer)}</text>'
    yield "</svg>"


def _boxes(call: SyscallCall) -> Iterator[Tuple[Call, int, float, float]]:
    """Yield calls with their level, left edge and width, callers first; too narrow ones are left out."""
    root = call.root
    length_ns = call.duration_ns or 0
    if root is None or not length_ns:
        return
    scale = _WIDTH / length_ns
    stack: List[Tuple[Call, int, int, int]] = [(root, 0, 0, length_ns)]
    while stack:
        each, level, begin, end = stack.pop()
        yield each, level, begin * scale, (end - begin) * scale
        at = begin
        inner = []
        for child in each.children:
            if child.start_ns and call.start_ns:
                at = max(at, min(end, child.start_ns - call.start_ns))
            child_end = min(end, at + (child.duration_ns or 0))
            if (child_end - at) * scale >= _LEAST_WIDTH and level < _MOST_DEPTH:
                inner.append((child, level + 1, at, child_end))
            at = child_end
        stack.extend(reversed(inner))


def _box(call: Call, level: int, left: float, width: float, total_ns: int, failed: bool) -> Iterator[str]:
    y = _TOP + level * _ROW
    layer = _layer(call)
    share = 100 * (call.duration_ns or 0) / total_ns if total_ns else 0
    name = f"{call.function} [{call.module}]" if call.module else call.function
    told = f"{name}: {time_text(call.duration_ns)} ({share:.1f} %)"
    if call.self_ns is not None and not call.inferred:
        told += f", itself {time_text(call.self_ns)}"
    told += f"; {layer}"
    if call.inferred:
        told += "; inferred: a lower bound"
    if failed:
        told += "; returned the error"
    for note in call.notes[:3]:
        told += f"; {note}"
    frame = ' stroke="#c00" stroke-width="1.5"' if failed else ' stroke="#fff" stroke-width="0.5"'
    box = f'x="{left:.2f}" y="{y}" width="{max(width - 0.3, 0.2):.2f}" height="{_ROW - 1}"'
    yield f'<g><title>{_text(told)}</title><rect {box} fill="{_colour(layer)}"{frame}/>'
    if call.inferred:
        yield f'<rect {box} fill="url(#inferred)" pointer-events="none"/>'
    text = _cut(name, width)
    if text:
        yield f'<text x="{left + _MARGIN:.2f}" y="{y + 12}">{_text(text)}</text>'
    yield "</g>"


def _layer(call: Call) -> str:
    layer = layer_of(call.function, call.module)
    return "(unplaced)" if layer is None else layer.title


def _colour(layer: str) -> str:
    found = _COLOURS.get(layer)
    if found is None:
        found = next(
            (colour for title, colour in _COLOURS.items() if layer.startswith(f"{title} ")), None
        ) or _from_name(layer)
    return found


def _from_name(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    return "#" + "".join(f"{150 + byte % 90:02x}" for byte in digest[:3])


def _cut(text: str, width: float) -> str:
    """Return as much of a name as fits, nothing if that says nothing."""
    most = int((width - 2 * _MARGIN) / _CHAR)
    if len(text) <= most:
        return text
    return text[: most - 2] + ".." if most >= 5 else ""


def _text(text: str) -> str:
    return escape(printable(text), {'"': "&quot;"})
