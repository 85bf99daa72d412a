"""What a kernel does not have, or does not show to this user, is said to be so: never a zero, never "ok"."""

from typing import Any, Dict, List

import pytest

from kdiag.health.checks import CHECKS
from tests.live.capabilities import why_not
from tests.live.looking import Look, look


@pytest.fixture(scope="module")
def seen() -> Look:
    """Look at everything, as whoever runs the tests."""
    return look("--section", "findings,pressure,top,cgroup,slab,swap,reclaim,vfs", "--per-cpu")


def not_applicable(seen: Look) -> Dict[str, str]:
    """Return the checks that do not apply, with the reason."""
    return {each["id"]: each["reason"] for each in seen.document["not_applicable"]}


def table(seen: Look, section: str, title: str) -> Dict[str, Any]:
    """Return a table, whether it has rows or not."""
    found: List[Dict[str, Any]] = seen.document["tables"][section]
    return next(each for each in found if each["title"] == title)


@pytest.mark.skipif(not why_not("PSI"), reason="this kernel has PSI")
def test_without_psi_no_pressure_is_judged_and_the_way_to_switch_it_on_is_told(seen: Look) -> None:
    reasons = not_applicable(seen)
    for check_id in ("cpu.psi", "mem.psi", "io.psi"):
        found = seen.findings(check_id)
        assert [each["status"] for each in found] in ([], ["unknown"]), check_id
        told = found[0]["because"] if found else reasons[check_id]
        assert "psi=1" in told, told
    pressure = table(seen, "pressure", "Pressure (time lost waiting)")
    assert pressure["rows"] == [] and pressure["missing"]


@pytest.mark.skipif(not why_not("run delay"), reason="this kernel counts run delay")
def test_without_run_delay_its_table_says_so(seen: Look) -> None:
    delay = table(seen, "top", "Top tasks by run delay")
    assert delay["rows"] == [] and delay["missing"]


def test_every_check_is_judged_or_says_why_not(seen: Look) -> None:
    told = {each["id"] for each in seen.document["findings"]} | set(not_applicable(seen))
    assert told == {each.id for each in CHECKS}
    for each in seen.document["not_applicable"]:
        assert each["reason"]


def test_no_file_of_this_kernel_is_a_problem_to_its_parser(seen: Look) -> None:
    assert seen.document["incomplete"]["problems"] == []


@pytest.mark.needs("root")
def test_root_is_denied_nothing(seen: Look) -> None:
    failures = seen.document["incomplete"]["failures"]
    assert [each for each in failures if each["kind"] == "denied"] == []
