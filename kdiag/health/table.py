"""Tables that people look for beside the findings: CPU, memory, disks, top tasks.

A table is a row type with units in its field names, and a pure function from a window to rows. How a
field is shown follows from its unit; only headers that people know by another name are given.
"""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from kdiag.health.finding import INSTANT
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["FilledTable", "Rows", "Table", "TableOptions", "fill"]


class TableOptions(NamedTuple):
    """What the user wants to see of the tables."""

    per_cpu: bool = False
    top: int = 10
    explain: bool = False


class Rows(NamedTuple):
    """What a table's function returns: the rows, how their rates are to be read, and notes below them."""

    rows: Sequence[Tuple[Any, ...]]
    basis: str = INSTANT
    notes: Tuple[str, ...] = ()


class Table(NamedTuple):
    """A table: ``section`` is its name for ``--section``, ``row`` its NamedTuple type.

    ``headers`` names the columns whose header is not the field's name without its unit. ``asked``
    tables are filled only when their section is asked for by name, because what they read costs more.
    """

    section: str
    title: str
    row: Any
    rows: Callable[[Window, TableOptions], Rows]
    headers: Mapping[str, str] = {}
    asked: bool = False


class FilledTable(NamedTuple):
    """A table of one host; ``missing`` says why it is empty, where it could not be filled."""

    section: str
    title: str
    fields: Tuple[str, ...]
    headers: Mapping[str, str]
    rows: Sequence[Tuple[Any, ...]]
    basis: str
    notes: Tuple[str, ...]
    missing: str

    def as_dicts(self) -> List[Dict[str, Any]]:
        """Return the rows as dicts by field name."""
        return [dict(zip(self.fields, row)) for row in self.rows]


def fill(table: Table, window: Window, options: Optional[TableOptions] = None) -> FilledTable:
    """Fill a table from a window; what cannot be read is said, never shown as zeros."""
    fields = tuple(table.row._fields)
    try:
        rows, basis, notes = table.rows(window, options or TableOptions())
    except CannotJudge as error:
        return FilledTable(table.section, table.title, fields, table.headers, (), "", (), str(error))
    return FilledTable(table.section, table.title, fields, table.headers, rows, basis, notes, "")
