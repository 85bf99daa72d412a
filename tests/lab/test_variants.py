import subprocess
from pathlib import Path

import pytest

from lab.kernels import KERNELS
from lab.variants import VARIANTS, Variant

INSIDE = Path(__file__).parents[2] / "lab" / "inside.sh"


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_each_variant_proves_that_it_is_in_force(variant: Variant) -> None:
    assert variant.proof != "true"
    assert set(variant.kernels) <= set(KERNELS)
    assert variant.place in ("host", "container")
    assert variant.user in ("root", "nobody")


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_what_a_guest_is_made_to_do_is_sh(variant: Variant) -> None:
    for text in (variant.prepare, variant.proof):
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_script_of_the_guest_is_sh() -> None:
    done = subprocess.run(["sh", "-n", str(INSIDE)], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_kernel_is_run_as_it_is_shipped_and_by_an_ordinary_user() -> None:
    for name in ("default", "unprivileged"):
        assert VARIANTS[name].kernels == tuple(KERNELS)


def test_default_and_what_has_guests_of_its_own_run_everything_on_every_kernel() -> None:
    default = VARIANTS["default"]
    apart = [VARIANTS[name] for name in ("peers", "paths", "tools")]
    assert default.tests == ("tests/live",)
    assert set(default.left_out) == {test for variant in apart for test in variant.tests}
    assert all(variant.left_out == () for variant in apart)
    # What the other tools say of the same load does not depend on the kernels in between.
    assert [variant.kernels for variant in apart] == [("5.10", "7.2"), tuple(KERNELS), tuple(KERNELS)]


def test_tests_that_are_left_out_are_there() -> None:
    for variant in VARIANTS.values():
        for path in variant.left_out:
            assert (INSIDE.parents[1] / path).exists()
