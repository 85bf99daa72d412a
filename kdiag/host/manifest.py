"""``bundle.json`` and ``manifest.json`` of a recording: written from records, and read back with all checked.

An entry of the manifest is one answer of the host. The bytes of a file lie beside it in the recording; all
else (failures, names in a folder, links, sizes) is in the entry. An errno is written by its name, because
its number depends on the machine. What is read back may come from anybody: a value that cannot be is a
:class:`~kdiag.host.recording.BadRecording`, not a surprise later on.
"""

import errno
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

from kdiag.host.base import KINDS, Facts, FileSystemSize
from kdiag.host.recording import BUNDLE, MANIFEST, BadRecording
from kdiag.records import NamedTuple

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Entry",
    "Header",
    "Manifest",
    "dump_header",
    "dump_manifest",
    "load_header",
    "load_manifest",
]

FORMAT = "kdiag-bundle"
FORMAT_VERSION = 1

#: Parsed JSON takes tens of times its length.
_MAX_BYTES = 32 << 20
_MAX_DIGITS = 20
_NUMBERS = {name: number for number, name in errno.errorcode.items()}


class Entry(NamedTuple):
    """One answer of the host to one question in one sample."""

    op: str
    """``read``, ``list``, ``size``, ``link`` or ``statvfs``."""
    path: str
    sample: int
    status: str = "ok"
    """``ok``, or the kind of failure."""
    errno: Optional[int] = None
    detail: str = ""
    size_bytes: Optional[int] = None
    """Length of a file that was read."""
    stored_in: Optional[int] = None
    """The earlier sample that holds the same bytes, if they are not stored again."""
    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    value: Any = None
    """What the operations other than ``read`` returned."""


class Header(NamedTuple):
    """``bundle.json``: known before the first file is read."""

    tool_version: str
    facts: Facts


class Manifest(NamedTuple):
    """``manifest.json``: known when the last file has been read."""

    end_reason: str
    """``done``, or why the recording ended early."""
    facts: Tuple[Facts, ...]
    """Of each sample."""
    users: Dict[int, Optional[str]]
    entries: Tuple[Entry, ...]


def dump_header(header: Header) -> bytes:
    """Write ``bundle.json``."""
    return _dump(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "tool": {"name": "kdiag", "version": header.tool_version},
            "facts": header.facts._asdict(),
        }
    )


def dump_manifest(manifest: Manifest) -> bytes:
    """Write ``manifest.json``, an entry a line."""
    import json

    head = _dump(
        {
            "complete": manifest.end_reason == "done",
            "end_reason": manifest.end_reason,
            "facts": [facts._asdict() for facts in manifest.facts],
            "users": {str(uid): name for uid, name in sorted(manifest.users.items())},
        }
    )
    entries = ",\n  ".join(json.dumps(_without_defaults(entry)) for entry in manifest.entries)
    return head[: head.rindex(b"\n}")] + b',\n "entries": [\n  ' + entries.encode("ascii") + b"\n ]\n}\n"


def load_header(data: bytes, path: str) -> Header:
    """Read ``bundle.json`` of the recording at ``path``."""
    check = _Checker(path, BUNDLE)
    document = check.document(data)
    if document.get("format") != FORMAT:
        check.refuse(f"its format is {document.get('format')!r}, not {FORMAT!r}")
    version = check.count(document.get("format_version"), "format_version")
    if version > FORMAT_VERSION:
        raise BadRecording(
            path,
            f"format version {version} is newer than this kdiag knows ({FORMAT_VERSION})",
            "read it with the version of kdiag that recorded it, or a newer one",
        )
    tool = document.get("tool")
    tool_version = tool.get("version") if isinstance(tool, dict) else None
    return Header(tool_version if isinstance(tool_version, str) else "", check.facts(document.get("facts")))


def load_manifest(data: bytes, path: str) -> Manifest:
    """Read ``manifest.json`` of the recording at ``path``."""
    check = _Checker(path, MANIFEST)
    document = check.document(data)
    facts = tuple(check.facts(each) for each in check.sequence(document.get("facts"), "facts"))
    if not facts:
        check.refuse("it knows of no sample")
    users: Dict[int, Optional[str]] = {}
    for uid, name in check.mapping(document.get("users"), "users").items():
        users[check.digits(uid, "users")] = None if name is None else check.text(name, "users")
    entries = check.sequence(document.get("entries"), "entries")
    return Manifest(
        check.text(document.get("end_reason"), "end_reason"),
        facts,
        users,
        tuple(check.entry(each, number, len(facts)) for number, each in enumerate(entries, 1)),
    )


def _dump(document: Dict[str, Any]) -> bytes:
    import json

    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _without_defaults(entry: Entry) -> Dict[str, Any]:
    defaults = Entry._field_defaults
    fields = {key: value for key, value in entry._asdict().items() if value != defaults.get(key)}
    if entry.errno is not None:
        fields["errno"] = errno.errorcode.get(entry.errno, entry.errno)
    return fields


class _Checker:
    """Takes values out of a JSON document that anybody may have written."""

    def __init__(self, path: str, file: str) -> None:
        self._path = path
        self._file = file

    def refuse(self, what: str) -> NoReturn:
        raise BadRecording(self._path, f"{self._file}: {what}", "the recording is damaged or not of kdiag")

    def document(self, data: bytes) -> Dict[str, Any]:
        import json

        if len(data) > _MAX_BYTES:
            self.refuse(f"longer than {_MAX_BYTES >> 20} MiB")
        try:
            loaded = json.loads(data, parse_int=_number, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            self.refuse(f"not JSON: {error}")
        return self.mapping(loaded, "document")

    def mapping(self, value: Any, key: str) -> Dict[str, Any]:
        return value if isinstance(value, dict) else self.refuse(f"{key} is not an object")

    def sequence(self, value: Any, key: str) -> List[Any]:
        return value if isinstance(value, list) else self.refuse(f"{key} is not a list")

    def text(self, value: Any, key: str) -> str:
        return value if isinstance(value, str) else self.refuse(f"{key} is not text")

    def count(self, value: Any, key: str) -> int:
        if type(value) is not int or value < 0:  # a bool is an int to isinstance
            self.refuse(f"{key} is not a number from 0")
        return value

    def optional_count(self, value: Any, key: str) -> Optional[int]:
        return None if value is None else self.count(value, key)

    def digits(self, value: str, key: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
            self.refuse(f"{key}: {value[:40]!r} is not a number")
        return int(value)

    def facts(self, value: Any) -> Facts:
        given = self.mapping(value, "facts")
        byte_order = given.get("byte_order")
        if byte_order not in (None, "little", "big"):
            self.refuse("byte_order is neither little nor big")
        numbers = {
            key: self.optional_count(given.get(key), key) for key in Facts._fields if key != "byte_order"
        }
        if 0 in (numbers["clock_ticks_per_s"], numbers["page_size_bytes"]):
            self.refuse("clock ticks or page size are zero")
        return Facts(byte_order=byte_order, **numbers)

    def entry(self, value: Any, number: int, samples: int) -> Entry:
        given = self.mapping(value, f"entry {number}")
        op = given.get("op")
        status = given.get("status", "ok")
        if not isinstance(op, str) or op not in _VALUE_OF:
            self.refuse(f"entry {number}: unknown operation")
        if not isinstance(status, str) or (status != "ok" and status not in KINDS):
            self.refuse(f"entry {number}: unknown status")
        sample = self.count(given.get("sample"), "sample")
        stored_in = self.optional_count(given.get("stored_in"), "stored_in")
        if sample >= samples or (stored_in or 0) > sample:
            self.refuse(f"entry {number}: sample {sample} of {samples}, stored in {stored_in}")
        errno_number, detail = self._errno(given.get("errno"), self.text(given.get("detail", ""), "detail"))
        if status == "ok" and op == "read":
            self.count(given.get("size_bytes"), "size_bytes")
        return Entry(
            op=op,
            path=self.text(given.get("path"), "path"),
            sample=sample,
            status=status,
            errno=errno_number,
            detail=detail,
            size_bytes=self.optional_count(given.get("size_bytes"), "size_bytes"),
            stored_in=stored_in,
            started_ns=self.optional_count(given.get("started_ns"), "started_ns"),
            ended_ns=self.optional_count(given.get("ended_ns"), "ended_ns"),
            value=_VALUE_OF[op](self, given.get("value")) if status == "ok" else None,
        )

    def _errno(self, value: Any, detail: str) -> Tuple[Optional[int], str]:
        if isinstance(value, str):
            number = _NUMBERS.get(value)  # this machine's number; it may lack the name
            return number, detail if number is not None else f"{value[:40]} {detail}".rstrip()
        return self.optional_count(value, "errno"), detail

    def names(self, value: Any) -> List[str]:
        return [self.text(name, "value") for name in self.sequence(value, "value")]

    def sizes(self, value: Any) -> FileSystemSize:
        numbers = [self.count(number, "value") for number in self.sequence(value, "value")]
        if len(numbers) != len(FileSystemSize._fields):
            self.refuse("the size of a file system does not have its seven numbers")
        return FileSystemSize(*numbers)

    def size(self, value: Any) -> int:
        return self.count(value, "value")

    def link(self, value: Any) -> str:
        return self.text(value, "value")

    def nothing(self, value: Any) -> None:
        if value is not None:
            self.refuse("an entry of a file that was read has a value")


_VALUE_OF: Dict[str, Callable[[_Checker, Any], Any]] = {
    "link": _Checker.link,
    "list": _Checker.names,
    "read": _Checker.nothing,
    "size": _Checker.size,
    "statvfs": _Checker.sizes,
}


def _number(token: str) -> int:
    # Turning a million digits into a number takes quadratic time.
    if len(token) > _MAX_DIGITS:
        raise ValueError("a number of more than 20 digits")
    return int(token)


def _no_constant(token: str) -> NoReturn:
    raise ValueError(f"{token} is not a number")
