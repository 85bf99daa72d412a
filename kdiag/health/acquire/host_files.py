"""The single files of the catalogue, each into its field of the sample."""

from typing import Iterable, Tuple

from kdiag.health.acquire.reader import Reader
from kdiag.procfs.catalogue import SOURCES, Source
from kdiag.records import NamedTuple

__all__ = ["Scope", "read_host_files"]


class Scope(NamedTuple):
    """How much of the host a sample takes in.

    ``last`` is false for a reading that only serves as the start of rates; ``sections`` are those that
    were asked for by name.
    """

    last: bool = True
    sections: Tuple[str, ...] = ()
    top: int = 10
    """Of so many of the busiest tasks more is read."""


def wanted(source: Source, scope: Scope) -> bool:
    """Return whether a reading of this scope takes in the file."""
    if source.when == "asked":
        return any(section in scope.sections for section in source.sections)
    return scope.last or source.when == "both"


def read_host_files(reader: Reader, scope: Scope, sources: Iterable[Source] = SOURCES) -> None:
    """Read every single file of the catalogue that the scope takes in."""
    sample = reader.sample
    for source in sources:
        if not source.field or not wanted(source, scope):
            continue
        record = reader.parse(source.path, source.parser)
        if record is None:
            continue
        container = getattr(sample, source.field, None)
        if isinstance(container, dict):
            if record.value is not None:
                container[source.path] = record.value
        else:
            setattr(sample, source.field, record)
