"""Files of ``key number`` lines, which Documentation/admin-guide/cgroup-v2.rst calls flat keyed.

The kernel adds keys in the middle of such files, so a key is known by its name, never by its line.
"""

from typing import Dict, List

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned

__all__ = ["flat_keyed"]


def flat_keyed(data: bytes, path: str, problems: List[Problem], separator: bytes = b" ") -> Dict[str, int]:
    r"""Return the numbers by key, in the file's order.

    >>> found = []
    >>> flat_keyed(b"low 0\nhigh -3\noom_kill 2\n", "memory.events", found)
    {'low': 0, 'oom_kill': 2}
    >>> found
    [Problem(path='memory.events', line=2, text='high -3', wanted='key N')]
    """
    wanted = f"key{separator.decode()}N"
    numbers: Dict[str, int] = {}
    for number, line in complete_lines(data, path, problems):
        key, _, token = line.partition(separator)
        value = unsigned(token)
        if not key or value is None:
            problems.append(problem(path, number, line, wanted))
        else:
            numbers[decode(key)] = value
    return numbers
