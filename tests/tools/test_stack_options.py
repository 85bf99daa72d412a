"""Options of the tools that show stacks."""

import pytest

from kdiag.tools.family import tool_named
from kdiag.tools.tool import BadOption

USUAL = {"hz": 99, "kernel": False, "user": False, "idle": False, "folded": False, "state": "sleeping"}


@pytest.mark.parametrize("name", ["offcpu", "profile"])
def test_the_kernel_alone_and_programs_alone_exclude_each_other(name: str) -> None:
    tool = tool_named(name)
    tool.check({**USUAL, "kernel": True})
    tool.check({**USUAL, "user": True})
    with pytest.raises(BadOption, match="-K leaves out what -U asks for"):
        tool.check({**USUAL, "kernel": True, "user": True})


@pytest.mark.parametrize("hz", [0, 10_001])
def test_frequencies_have_bounds(hz: int) -> None:
    with pytest.raises(BadOption, match="-F takes 1 to 10000"):
        tool_named("profile").check({**USUAL, "hz": hz})
