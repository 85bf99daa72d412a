"""Running commands by turns, and what each run cost.

``ru_maxrss`` is that of the process that execve(2) was called in if it was larger (fs/exec.c, exec_mmap), so
no peak below the bench's own can be seen: :func:`floor_bytes` says how high that is.
"""

import os
import tempfile
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from bench.claims import median

__all__ = ["CannotMeasure", "Series", "Usage", "by_turns", "environment", "floor_bytes", "run_once"]

Command = List[str]

_SHOWN_CHARACTERS = 200
#: Where Python finds modules. Its other variables would be measured, too: with PYTHONDONTWRITEBYTECODE, say,
#: every run compiles all of its modules anew.
_KEPT_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX")


class CannotMeasure(Exception):
    """Something that the bench needs is missing or fails; the message says what."""


class Usage(NamedTuple):
    """What one run cost."""

    cpu_s: float
    peak_rss_bytes: int


class Series(NamedTuple):
    """All rounds of one command."""

    runs: Tuple[Usage, ...]

    @property
    def least_cpu_s(self) -> float:
        """CPU of the cheapest round: the one that was disturbed least."""
        return min(run.cpu_s for run in self.runs)

    @property
    def median_cpu_s(self) -> float:
        """CPU of the middle round."""
        return median(run.cpu_s for run in self.runs)

    @property
    def peak_rss_bytes(self) -> int:
        """The highest peak of any round."""
        return max(run.peak_rss_bytes for run in self.runs)


def environment() -> Dict[str, str]:
    """Return the environment in which all commands run: that of a user."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") or name in _KEPT_VARIABLES
    }


def run_once(command: Command, good_codes: Sequence[int] = (0,)) -> Usage:
    """Run a command to its end, with nothing to read and its output thrown away.

    A run that complains is none: kdiag exits with 3 if it crashed, but also if it could not judge.
    """
    with tempfile.TemporaryFile("w+", prefix="kdiag-bench-", errors="replace") as errors:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        try:
            pid = os.posix_spawn(command[0], command, environment(), file_actions=actions)
        except OSError as error:
            raise CannotMeasure(f"{command[0]}: {error.strerror}") from error
        _, status, used = os.wait4(pid, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        errors.seek(0)
        complaint = errors.read(_SHOWN_CHARACTERS).strip()
    if code not in good_codes or complaint:
        raise CannotMeasure(f"{' '.join(command)[:_SHOWN_CHARACTERS]}: ended with {code}: {complaint}")
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def by_turns(
    commands: Mapping[str, Command], rounds: int, good_codes: Mapping[str, Sequence[int]]
) -> Dict[str, Series]:
    """Run all commands once a round, one after another, for so many rounds; the first round only warms up."""
    runs: Dict[str, List[Usage]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            usage = run_once(command, good_codes.get(name, (0,)))
            if number:
                runs[name].append(usage)
    return {name: Series(tuple(each)) for name, each in runs.items()}


def floor_bytes() -> int:
    """Return the least peak that can be seen: that of a program which needs next to nothing."""
    return run_once(["/bin/true"]).peak_rss_bytes
