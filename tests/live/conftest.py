"""Tests on the kernel underneath: each makes a load of known size and holds kdiag's figures against it.

``pytest tests/live`` runs them; a plain ``pytest`` does not. What a test needs it says with ``@needs(...)``;
where a probe finds that missing, it is skipped with the reason. Those that need root are marked ``root``, all
others ``unprivileged``: an ordinary user runs them with ``-m unprivileged``.
"""

import os
from pathlib import Path
from typing import Iterator, List

import pytest

from tests.live import groups, scratch
from tests.live.capabilities import why_not

_TAKE_ROOT = {
    "root",
    "tmpfs",
    "namespaces",
    "memory cgroup",
    "cpu cgroup",
    "pids cgroup",
    "lab disk",
    "swap",
    "v1 freezer",
}


FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    for item in items:
        if FOLDER not in item.path.parents or any(map(item.get_closest_marker, ("root", "unprivileged"))):
            continue
        wanted = {name for mark in item.iter_markers("needs") for name in mark.args}
        item.add_marker("root" if wanted & _TAKE_ROOT else "unprivileged")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            reason = why_not(name)
            if reason:
                pytest.skip(f"{name}: {reason}" if name not in reason else reason)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Hold the machine to be as it was: no process, mount or control group of these tests."""
    mounts = _mounts()
    yield
    scratch.give_back()
    groups.switch_back()
    assert sorted(set(_mounts()) - set(mounts)) == []
    assert [name for name in _children() if name] == []


def _mounts() -> List[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        return [line.split()[4] for line in lines]


def _children() -> List[str]:
    """Return the children of this process, dead or alive."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listed:
            return listed.read().split()
    except FileNotFoundError:  # without CONFIG_PROC_CHILDREN
        return []
