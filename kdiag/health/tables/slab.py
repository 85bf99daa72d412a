"""The largest slab caches."""

from typing import Optional

from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window, known
from kdiag.records import NamedTuple

__all__ = ["TABLES", "SlabRow"]

_SLABINFO = "/proc/slabinfo"


class SlabRow(NamedTuple):
    """One cache; its size is that of all its objects, in use or not."""

    cache: str
    size_bytes: int
    objects: int
    active_pct: Optional[float]
    object_size_bytes: int


def _rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    failure = sample.failures.get(_SLABINFO)
    if failure is not None and failure.kind == "denied":
        raise CannotJudge(_SLABINFO, f"{sample.why_missing(_SLABINFO)}; only root may read it")
    caches = sorted(
        known(sample, sample.slabinfo, _SLABINFO).caches, key=lambda cache: (-cache.objects_bytes, cache.name)
    )
    shown, rest = caches[: options.top], caches[options.top :]
    rows = [
        SlabRow(
            cache.name,
            cache.objects_bytes,
            cache.total_objects,
            100 * cache.active_objects / cache.total_objects if cache.total_objects else None,
            cache.object_size_bytes,
        )
        for cache in shown
    ]
    notes = ["SLUB merges caches of like size, so a name may stand for others too"]
    if rest:
        rest_kib = sum(cache.objects_bytes for cache in rest) // 1024
        notes.insert(0, f"{len(rest)} more caches take {rest_kib} KiB")
    return Rows(rows, notes=tuple(notes))


TABLES = (Table("slab", "Largest slab caches", SlabRow, _rows, asked=True),)
