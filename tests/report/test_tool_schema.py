"""The schemas of the tools: as the tools say, and true of what is printed."""

import json
import os
from typing import Any, Dict, List

import jsonschema
import pytest

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.host.memory import MemoryHost
from kdiag.report.terminal import Style
from kdiag.report.tool_json import ToolJson
from kdiag.report.tool_schema import FOLDER, tool_schema
from kdiag.tools.cost import Cost
from kdiag.tools.family import TOOLS, tool_named
from kdiag.tools.histogram import from_slots
from kdiag.tools.run import Lost, Run
from kdiag.tools.tool import Item, LostHere, StackRow, Summary, Tool

_OF_TYPE = {"integer": 3, "number": 2.5, "string": "na\udcffme", "boolean": True, "array": ("a", "b")}


def documents(tool: Tool, items: List[Item], **options: Any) -> List[Dict[str, Any]]:
    run = Run(MemoryHost([{}]), {}, **options)
    run.choice = Choice("bpf", "a program", (PassedOver("bcc", "is not installed", "install it"),))
    run.cost = Cost("system calls", 1000.0, None)
    run.lost = Lost(1, 2, 3)
    run.missing = {"uid": "why"}
    run.notes.append("a note")
    printer = ToolJson(tool, "all processes", Style())
    printer.host = {"name": "web-1", "kernel": None, "kind": "live", "root": "/"}
    lines = [*printer.begin(run, 1_700_000_000 * 10**9)]
    for item in items:
        lines += printer.item(run, item)
    return [json.loads(line) for line in (*lines, *printer.end(run))]


def row(tool: Tool, known: bool) -> Any:
    """Return a row of the tool in which each field has a value, or none has that may be unknown."""
    if tool.row is None:
        return None
    defs = tool_schema(tool)["$defs"]
    fields = (defs.get("row") or defs["line"])["properties"]
    values = []
    for name in tool.row._fields:
        types = fields[name]["type"]
        types = [types] if isinstance(types, str) else types
        values.append(_OF_TYPE[types[0]] if known or "null" not in types else None)
    return tool.row(*values)


def items(tool: Tool) -> List[Item]:
    rows = tuple(row(tool, known) for known in (True, False)) if tool.row else ()
    if tool.streams:
        return [*rows, LostHere(None), LostHere(5)]
    histogram = from_slots("sda", "us", {4: 30}, 400)
    return [Summary(rows, (histogram,), (StackRow("sh 1", ("main", "read"), 1, 7),), 0.0, 1.5)]


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_the_file_is_what_the_tool_says(name: str) -> None:
    made = json.dumps(tool_schema(tool_named(name)), indent=2) + "\n"
    path = os.path.join(FOLDER, f"{name}.1.json")
    if os.environ.get("KDIAG_WRITE_GOLDEN"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(made)
        pytest.fail(f"{path} was written anew: look at its diff")
    with open(path, encoding="utf-8") as file:
        assert file.read() == made


@pytest.mark.parametrize("options", [{}, {"interval_s": 1.0}])
@pytest.mark.parametrize("name", sorted(TOOLS))
def test_what_is_printed_is_what_the_schema_says(name: str, options: Dict[str, Any]) -> None:
    tool = tool_named(name)
    validator = jsonschema.Draft202012Validator(tool_schema(tool))
    validator.check_schema(validator.schema)
    printed = documents(tool, items(tool), **options)
    assert len(printed) == (6 if tool.streams else 3 if options else 1)
    for document in printed:
        validator.validate(document)
        for bad in ({**document, "surprise": 1}, *({**document, key: {"a": 1}} for key in document)):
            assert not validator.is_valid(bad), bad
        for key in document:
            assert not validator.is_valid({each: document[each] for each in document if each != key}), key
