"""Every check on a host made for it: exactly the findings that are expected, and no other."""

from pathlib import Path

import pytest

from kdiag.health.checks import CHECKS
from tests.health.overlay import OVERLAYS, quiet_overlay, read_overlay, snapshot_of, told

CASES = sorted(OVERLAYS.rglob("*.txt"))


def test_nothing_is_found_on_a_quiet_host() -> None:
    snapshot = snapshot_of(quiet_overlay())
    assert told(snapshot.findings) == []
    assert snapshot.problems == ()
    assert snapshot.failures == ()
    assert snapshot.exit_code == 0


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.relative_to(OVERLAYS)))
def test_exactly_the_expected_is_found(path: Path) -> None:
    overlay = read_overlay(path)
    assert told(snapshot_of(overlay).findings) == sorted(overlay.expected)


def test_every_check_has_an_overlay_in_which_it_speaks() -> None:
    spoken = {line.split()[1] for path in CASES for line in read_overlay(path).expected}
    assert {each.id for each in CHECKS} <= spoken
