"""``NamedTuple`` as type checkers know it, made without compiling a constructor for each class.

kdiag has some 150 record types, and each run on a sick host makes them anew. ``typing.NamedTuple`` checks
every annotation and has ``collections.namedtuple`` evaluate the source text of a ``__new__``: for all of them
that is about as much CPU as starting a bare interpreter. Here all classes share one constructor. What callers
see is the same: ``_fields``, ``_make``, ``_replace``, ``_asdict``, defaults, keywords, ``repr``, pickling.

>>> class Point(NamedTuple):
...     x: int
...     y: int = 0
>>> Point(1), Point(x=1, y=2)._replace(y=3), Point(1)._asdict(), Point._fields
(Point(x=1, y=0), Point(x=1, y=3), {'x': 1, 'y': 0}, ('x', 'y'))
>>> Point()
Traceback (most recent call last):
    ...
TypeError: Point() lacks x
"""

from typing import TYPE_CHECKING, Any, Dict, Iterable, Tuple

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from operator import itemgetter

    try:
        from _collections import _tuplegetter
    except ImportError:  # not CPython: collections does the same

        def _tuplegetter(index: int, doc: str) -> property:
            return property(itemgetter(index), doc=doc)

    class _RecordType(type):
        """Turns the annotated names of a class that derives from ``NamedTuple`` itself into fields."""

        def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any]) -> type:
            namespace.setdefault("__slots__", ())
            cls = super().__new__(mcs, name, bases, namespace)
            if any(type(base) is mcs and base._fields is None for base in bases):
                fields = tuple(cls.__annotations__)
                cls._fields = cls.__match_args__ = fields
                cls._field_defaults = {field: namespace[field] for field in fields if field in namespace}
                for index, field in enumerate(fields):
                    setattr(cls, field, _tuplegetter(index, field))
            return cls

    class NamedTuple(tuple, metaclass=_RecordType):
        """The base of all records."""

        _fields = _field_defaults = None

        def __new__(cls, *values: Any, **named: Any) -> "NamedTuple":
            """Make a record of values in the order of the fields, or by their names."""
            fields = cls._fields
            if len(values) == len(fields) and not named:
                return tuple.__new__(cls, values)
            if len(values) > len(fields):
                raise TypeError(f"{cls.__name__}() takes {len(fields)} values, not {len(values)}")
            given = {**cls._field_defaults, **dict(zip(fields, values)), **named}
            lacking = [field for field in fields if field not in given]
            if lacking:
                raise TypeError(f"{cls.__name__}() lacks {', '.join(lacking)}")
            if len(given) > len(fields) or not named.keys().isdisjoint(fields[: len(values)]):
                raise TypeError(
                    f"{cls.__name__}() was given unknown fields, or one twice: {', '.join(named)}"
                )
            return tuple.__new__(cls, [given[field] for field in fields])

        @classmethod
        def _make(cls, values: Iterable[Any]) -> "NamedTuple":
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")
            return made

        def _replace(self, **named: Any) -> "NamedTuple":
            if not named.keys() <= set(self._fields):
                raise ValueError(f"{type(self).__name__} has not all of the fields: {', '.join(named)}")
            return self._make(named.get(field, value) for field, value in zip(self._fields, self))

        def _asdict(self) -> Dict[str, Any]:
            return dict(zip(self._fields, self))

        def __repr__(self) -> str:
            shown = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self))
            return f"{type(self).__name__}({shown})"

        def __getnewargs__(self) -> Tuple[Any, ...]:
            return tuple(self)
