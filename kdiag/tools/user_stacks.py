"""Names of functions of programs and libraries, by the addresses on a user-space stack.

``/proc/PID/maps`` tells which file is mapped where; it is read while the process lives. Names come from the
files' symbols, as far as they were not stripped; those of C++ are as the linker knows them. Of a function
without a name the file is told: ``[python3.11]``. Code that was made at run time (JIT) has no file, and stays
an address. Stacks are as the kernel finds them by frame pointers, which many programs are built without: then
only the innermost function is right.
"""

from bisect import bisect_right
from typing import Dict, List, Optional, Sequence, Set, Tuple

from kdiag.ftrace.elf_symbols import BadElf, functions_of
from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["UserNames"]

_MOST_FILES = 200


class _Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    path: str


class UserNames:
    """Functions of processes that were remembered in time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mappings: Dict[int, List[_Mapping]] = {}
        self._read_again: Set[int] = set()
        self._functions: Dict[str, Tuple[List[int], List[Tuple[int, str]]]] = {}

    def remember(self, pid: int) -> None:
        """Read where a process has its files; again, later, where an address is in none of them."""
        mappings = self._read(pid)
        if mappings or pid not in self._mappings:
            self._mappings[pid] = mappings

    def begin_round(self) -> None:
        """From now on, a process's mappings may be read again, once, where an address is in none of them."""
        self._read_again.clear()

    def knows(self, pid: int) -> bool:
        """Tell whether a process was remembered while it was there."""
        return bool(self._mappings.get(pid))

    def names(self, pid: int, stack: Sequence[int]) -> Tuple[str, ...]:
        """Return the functions of a stack, innermost first: a name, ``[file]``, or an address.

        Where an address cannot be executed, the kernel took data for a frame: from there on there is nothing.
        """
        named: List[str] = []
        for at, address in enumerate(stack):
            # All but the innermost are return addresses, which may lie one past the function's end.
            inside = address - (at > 0)
            mapping = self._mapping(pid, inside)
            if mapping is None and at and self.knows(pid):
                break
            named.append(hex(address) if mapping is None else self._name(pid, mapping, inside, address))
        return tuple(named)

    def _name(self, pid: int, mapping: _Mapping, inside: int, shown: int) -> str:
        if not mapping.path.startswith("/"):
            return mapping.path or hex(shown)
        offset = inside - mapping.start + mapping.offset
        starts, functions = self._of_file(pid, mapping.path)
        at = bisect_right(starts, offset) - 1
        if at >= 0:
            size, name = functions[at]
            if offset < starts[at] + max(size, 1):
                return name
        return f"[{mapping.path.rpartition('/')[2]}]"

    def _mapping(self, pid: int, address: int) -> Optional[_Mapping]:
        for again in (False, True):
            if again:
                if pid in self._read_again:
                    break
                self._read_again.add(pid)
                self.remember(pid)
            for each in self._mappings.get(pid, ()):
                if each.start <= address < each.end:
                    return each
        return None

    def _read(self, pid: int) -> List[_Mapping]:
        try:
            # A task in uninterruptible sleep may hold the lock that this waits for.
            data = self._host.reading(f"/proc/{pid}/maps", may_block=True).data
        except ReadError:
            return []
        found = []
        for line in data.decode("utf-8", "surrogateescape").splitlines():
            words = line.split(None, 5)
            if len(words) < 5 or "x" not in words[1]:
                continue
            start, _, end = words[0].partition("-")
            path = words[5] if len(words) > 5 else ""
            found.append(_Mapping(int(start, 16), int(end, 16), int(words[2], 16), path))
        return found

    def _of_file(self, pid: int, path: str) -> Tuple[List[int], List[Tuple[int, str]]]:
        if path not in self._functions:
            if len(self._functions) >= _MOST_FILES:
                self._functions.clear()
            rows: List[Tuple[int, int, str]] = []
            # In a container a path is the container's: seen through the process's own root.
            for root in (f"{self._host.root.rstrip('/')}/proc/{pid}/root", self._host.root.rstrip("/")):
                try:
                    found = functions_of(root + path.replace(" (deleted)", ""))
                except (OSError, BadElf):
                    continue
                rows = sorted((each.offset, each.size, each.name) for each in found.values())
                break
            self._functions[path] = [row[0] for row in rows], [row[1:] for row in rows]
        return self._functions[path]
