from kdiag.doctor.capabilities import ALIASES, CAPABILITIES, GROUPS
from kdiag.doctor.trials import _TRIALS


def test_every_capability_is_tried_and_told_what_it_gives_and_how_to_get_it() -> None:
    assert set(_TRIALS) == set(CAPABILITIES)
    for row in CAPABILITIES.values():
        assert row.group in GROUPS
        assert row.title and row.enables and row.remedy
        assert all(name.startswith("CONFIG_") for name in row.config)


def test_what_a_capability_needs_is_tried_before_it() -> None:
    known = {*CAPABILITIES, *ALIASES}
    order = list(CAPABILITIES)
    for id, row in CAPABILITIES.items():
        for need in row.needs:
            assert need in known
            first = ALIASES.get(need, (need,))[0]
            assert order.index(first) < order.index(id)


def test_an_alias_stands_for_capabilities() -> None:
    for others in ALIASES.values():
        assert set(others) <= set(CAPABILITIES)


def test_groups_are_shown_together() -> None:
    groups = [row.group for row in CAPABILITIES.values()]
    assert sorted(groups, key=list(GROUPS).index) == groups
