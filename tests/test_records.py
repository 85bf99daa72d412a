"""Our NamedTuple behaves as typing's does, wherever kdiag or a reader of its records could tell."""

import copy
import pickle
import typing
from typing import Any, Callable, Optional, Tuple

import pytest

from kdiag import records


class Ours(records.NamedTuple):
    """A record."""

    x: int
    y: Optional[str] = None
    z: Tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return self.x * 2


class Theirs(typing.NamedTuple):
    """A record."""

    x: int
    y: Optional[str] = None
    z: Tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return self.x * 2


class OursBelow(Ours):
    @property
    def thrice(self) -> int:
        return self.x * 3


CALLS: Tuple[Callable[[Any], Any], ...] = (
    lambda cls: tuple(cls(1)),
    lambda cls: tuple(cls(1, "a")),
    lambda cls: tuple(cls(1, "a", (2,))),
    lambda cls: tuple(cls(x=1, z=(3,))),
    lambda cls: tuple(cls(1, z=(3,))),
    lambda cls: tuple(cls._make([1, "b", ()])),
    lambda cls: tuple(cls(1)._replace(y="c")),
    lambda cls: cls(1)._asdict(),
    lambda cls: (cls(1).x, cls(1).y, cls(1).z, cls(1).twice),
    lambda cls: cls._fields,
    lambda cls: cls._field_defaults,
    lambda cls: cls(1) == (1, None, ()),
    lambda cls: hash(cls(1)) == hash((1, None, ())),
    lambda cls: repr(cls(1)).partition("(")[2],
    lambda cls: typing.get_type_hints(cls),
    lambda cls: cls.__doc__,
    lambda cls: cls.x.__doc__ is not None,
    lambda cls: pickle.loads(pickle.dumps(cls(1, "a"))) == cls(1, "a"),
    lambda cls: copy.deepcopy(cls(1, "a", (1,))),
    lambda cls: hasattr(cls(1), "__dict__"),
    lambda cls: cls.__match_args__ if hasattr(Theirs, "__match_args__") else cls._fields,
    lambda cls: [*cls(1)],
)

MISTAKES: Tuple[Callable[[Any], Any], ...] = (
    lambda cls: cls(),
    lambda cls: cls(1, "a", (), 4),
    lambda cls: cls(1, x=2),
    lambda cls: cls(1, w=2),
    lambda cls: cls(w=2),
    lambda cls: cls._make([1]),
    lambda cls: cls._make([1, 2, 3, 4]),
    lambda cls: cls(1)._replace(w=2),
    lambda cls: setattr(cls(1), "x", 2),
    lambda cls: setattr(cls(1), "w", 2),
)


@pytest.mark.parametrize("call", CALLS)
def test_what_works_works_alike(call: Callable[[Any], Any]) -> None:
    assert call(Ours) == call(Theirs)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_refused_is_refused_alike(mistake: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as ours:
        mistake(Ours)
    with pytest.raises(Exception) as theirs:
        mistake(Theirs)
    # namedtuple's _replace raises ValueError until Python 3.12, and TypeError from 3.13 on.
    assert ours.type is theirs.type or {ours.type, theirs.type} == {TypeError, ValueError}


def test_a_class_below_a_record_keeps_its_fields_and_adds_to_it() -> None:
    below = OursBelow(2, "a")
    assert (below.thrice, below.twice, below._fields) == (6, 4, ("x", "y", "z"))
    assert type(below._replace(x=3)) is OursBelow
    assert repr(below) == "OursBelow(x=2, y='a', z=())"
