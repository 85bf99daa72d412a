"""Names that function_graph can trace: is it one, and if not, which were meant.

``available_filter_functions`` has a line for each function whose entry the kernel can patch, in an order
whose numbers the kernel takes as filters (since 5.1). That is far faster than names, for each of which it
searches all of its 40 000. Names may occur more than once, static functions of several files for the most
part. What is inlined everywhere, marked ``notrace`` or ``noinstr``, or written in assembler is not there,
though kallsyms may know it.
"""

import difflib
import re
from typing import Container, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from kdiag.path.request import CannotAcquire

__all__ = ["NoSuchFunction", "Traceable", "near"]

#: So since 6.2 and in stable kernels: a weak function that another one took the place of.
_INVALID = "__ftrace_invalid_address__"


class NoSuchFunction(CannotAcquire):
    """A function cannot be traced: why, and what may have been meant."""

    def __init__(self, function: str, reason: str, near_names: Sequence[str] = ()) -> None:
        hint = f"; near: {', '.join(near_names)}" if near_names else ""
        super().__init__(f"{function}: {reason}{hint}")
        self.function = function
        self.reason = reason
        self.near = tuple(near_names)


class Traceable:
    """The functions of ``available_filter_functions``, by name."""

    def __init__(self, text: str) -> None:
        self._numbers: Dict[str, List[int]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            name = line.partition(" ")[0]
            if name and not name.startswith(_INVALID):
                self._numbers.setdefault(name, []).append(number)

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def is_ambiguous(self, name: str) -> bool:
        """Tell whether several functions have this name."""
        return len(self._numbers.get(name, ())) > 1

    def numbers(self, names: Iterable[str]) -> List[int]:
        """Return the numbers, counted from 1, of all functions of these names, in rising order."""
        return sorted(number for name in names for number in self._numbers.get(name, ()))

    def require(self, name: str, kallsyms: Optional[Container[str]] = None) -> None:
        """Raise :exc:`NoSuchFunction` with the reason if there is no such function to be traced."""
        if name in self._numbers:
            return
        if kallsyms is not None and name in kallsyms:
            raise NoSuchFunction(
                name,
                "this kernel has it, but keeps it from being traced (notrace, noinstr, or assembler)",
                near(name, self._numbers),
            )
        raise NoSuchFunction(
            name, "this kernel has no such function, or only inlined into others", near(name, self._numbers)
        )


def near(name: str, names: Iterable[str], most: int = 5) -> List[str]:
    """Return names that may have been meant, the likeliest first.

    The name with a compiler's suffix comes first, then names with the same words, then similar spellings.

    >>> near("vfs_raed", ["vfs_read", "vfs_readv", "ext4_read_inode", "tcp_sendmsg"])
    ['vfs_read', 'vfs_readv']
    >>> near("link_path_walk", ["link_path_walk.part.0", "path_openat"])
    ['link_path_walk.part.0']
    >>> near("do_sys_open", ["do_sys_openat2", "do_sys_poll", "xfs_open"])
    ['do_sys_openat2', 'do_sys_poll']
    """
    if not name:
        return []
    wanted = _words(name)
    scored: List[Tuple[float, str]] = []
    for each in names:
        if each.startswith(name + "."):
            scored.append((3.0, each))
        elif name in each:
            scored.append((2.0 - len(each) / 1000, each))
        elif wanted & _words(each) or each[:3] == name[:3]:
            matcher = difflib.SequenceMatcher(None, name, each)
            if matcher.real_quick_ratio() > 0.7 and matcher.quick_ratio() > 0.7 and matcher.ratio() > 0.7:
                scored.append((matcher.ratio(), each))
    scored.sort(key=lambda each: (-each[0], each[1]))
    return [each for _, each in scored[:most]]


def _words(name: str) -> Set[str]:
    return {word for word in re.split(r"[_.]+", name) if len(word) > 3}
