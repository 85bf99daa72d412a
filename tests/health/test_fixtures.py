"""Every recorded host is parsed whole, and found to be what its findings say."""

from pathlib import Path

import pytest

from fixtures.record import FINDINGS, FOLDER, findings_of, look_at

RECORDED = sorted(path.parent for path in FOLDER.glob("*/bundle.json"))


def test_there_is_a_recorded_host() -> None:
    assert RECORDED


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_a_recorded_host_is_found_as_it_was(folder: Path) -> None:
    snapshot = look_at(folder)
    assert snapshot.problems == ()
    assert not [failure for failure in snapshot.failures if failure.kind == "not_recorded"]
    assert findings_of(snapshot) == (folder / FINDINGS).read_text()
