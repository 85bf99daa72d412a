"""The JSON schemas of the tools' documents, made from what the tools say of themselves.

A document of a tool is one of several: ``kind`` tells them apart where there are many, one a line (see
:mod:`kdiag.report.tool_json`). What all commands share is taken from the schema of ``count``. A test holds
the files in ``schemas/`` to what is made here.
"""

import json
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union, get_type_hints

from kdiag.tools.tool import StackRow, Tool

__all__ = ["FOLDER", "tool_schema"]

Schema = Dict[str, Any]

FOLDER = os.path.join(os.path.dirname(__file__), "schemas")
_SHARED_BY = "count.1.json"
_SHARED = ("tool", "incomplete", "failure", "problem", "traced_host", "choice")
#: Of every document with an envelope, as the schema of ``count`` has them.
_ENVELOPE = ("tool", "host", "started", "duration_s", "mechanism", "incomplete", "lost", "exit_code")
_PLAIN: Dict[type, str] = {int: "integer", float: "number", str: "string", bool: "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}


def tool_schema(tool: Tool) -> Schema:
    """Return the schema ``kdiag/<tool>/1``."""
    with open(os.path.join(FOLDER, _SHARED_BY), encoding="utf-8") as file:
        shared: Schema = json.load(file)
    envelope = _envelope(tool, shared["properties"])
    defs: Schema = {name: shared["$defs"][name] for name in _SHARED}
    defs["cost"] = _of_fields({"what": str, "per_s": Optional[float], "share": Optional[float]})
    defs["begin"] = _object({"kind": {"const": "begin"}, **envelope})
    defs["lost"] = _object({"kind": {"const": "lost"}, "events": _of(Optional[int])})
    if tool.row is not None:
        defs["row"] = {"description": _first_line(tool.row), **_of_fields(get_type_hints(tool.row))}
    if tool.streams:
        defs["line"] = _object({"kind": {"const": "row"}, **defs["row"]["properties"]})
        defs["end"] = _object({"kind": {"const": "end"}, "row_count": _COUNT, **envelope})
        documents = ["begin", "line", "lost", "end"]
        del defs["row"]
    else:
        defs["histogram"] = _HISTOGRAM
        defs["stack"] = _of_fields(get_type_hints(StackRow))
        summary = _summary(tool)
        defs["summary"] = _object({"kind": {"const": "summary"}, **summary})
        defs["end"] = _object({"kind": {"const": "end"}, **envelope})
        defs["whole"] = _object({**envelope, **summary})
        documents = ["whole", "begin", "summary", "lost", "end"]
    return {
        "$schema": shared["$schema"],
        "$id": f"urn:kdiag:{tool.name}:1",
        "title": f"kdiag {tool.name} --json",
        "description": _of_documents(tool),
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in documents],
        "$defs": defs,
    }


def _of_documents(tool: Tool) -> str:
    if tool.streams:
        return "Each line is a document: begin, rows and losses as they come, end."
    return "One document; with --interval each line is one: begin, a summary each interval, end."


def _envelope(tool: Tool, shared: Schema) -> Schema:
    return {
        "schema": {"const": f"kdiag/{tool.name}/1"},
        **{name: shared[name] for name in _ENVELOPE},
        "lost": {**_COUNT, "description": "Events that were dropped; they are in no row."},
        "target": {"type": "string"},
        "ended": {"type": "string", "description": "What ended it."},
        "missing": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Fields that this mechanism cannot give, with the reason; they are null.",
        },
        "cost": {
            "anyOf": [{"$ref": "#/$defs/cost"}, {"type": "null"}],
            "description": "An estimate, where all processes are watched; share is of all CPUs, 0 to 1.",
        },
        "lost_map_entries": _COUNT,
        "lost_stacks": _COUNT,
        "notes": _TEXTS,
    }


def _summary(tool: Tool) -> Schema:
    rows: Schema = {"type": "array", "maxItems": 0}
    if tool.row is not None:
        rows = {"type": "array", "items": {"$ref": "#/$defs/row"}, "description": "Worst first."}
    return {
        "started_s": {"type": "number", "description": "Seconds since the begin."},
        "summary_s": {"type": "number", "description": "The time that it is of."},
        "rows": rows,
        "histograms": {"type": "array", "items": {"$ref": "#/$defs/histogram"}},
        "stacks": {"type": "array", "items": {"$ref": "#/$defs/stack"}},
    }


_HISTOGRAM: Schema = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "unit": {"type": "string"},
        "buckets": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3},
            "description": "[lo, hi, count] for lo <= value < hi.",
        },
        "total": _COUNT,
        "sum": {"type": ["integer", "null"]},
    },
    "required": ["label", "unit", "buckets", "total", "sum"],
    "additionalProperties": False,
}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _of_fields(fields: Dict[str, Any]) -> Schema:
    return _object({name: _of(kind) for name, kind in fields.items()})


def _of(kind: Any) -> Schema:
    """Return the schema of a field's type.

    >>> _of(Optional[int]), _of(Tuple[str, ...])
    ({'type': ['integer', 'null']}, {'type': 'array', 'items': {'type': 'string'}})
    """
    if kind in _PLAIN:
        # A number that JSON has no word for is null.
        return {"type": [_PLAIN[kind], "null"] if kind is float else _PLAIN[kind]}
    origin = getattr(kind, "__origin__", None)
    inner: Tuple[Any, ...] = getattr(kind, "__args__", ())
    if origin is tuple and inner[-1] is ...:
        return {"type": "array", "items": _of(inner[0])}
    if origin is Union:
        (some,) = (each for each in inner if each is not type(None))
        made = _of(some)
        return {**made, "type": _or_null(made["type"])}
    raise TypeError(f"there is no schema for {kind}")


def _or_null(types: Union[str, Sequence[str]]) -> List[str]:
    known = [types] if isinstance(types, str) else list(types)
    return known if "null" in known else [*known, "null"]


def _first_line(row: type) -> str:
    return (row.__doc__ or "").partition("\n")[0]
