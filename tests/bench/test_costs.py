from bench.costs import _LOADS, costs
from bench.parts import PARTS
from kdiag.tools.family import TOOLS, tool_named


def test_it_is_a_part_and_has_a_load_for_what_tools_cost_by() -> None:
    assert PARTS["costs"] is costs
    rates = {tool_named(name).rate for name in TOOLS} - {"", "block"}
    assert rates <= set(_LOADS)
    assert all(load.events > 0 for load in _LOADS.values())
