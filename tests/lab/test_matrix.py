import pytest

from lab.kernels import KERNELS
from lab.matrix import cells, cells_named, pytest_arguments
from lab.variants import VARIANTS


def test_a_lab_without_wishes_runs_what_the_table_chooses_default_first() -> None:
    chosen = [(cell.kernel, cell.variant.name) for cell in cells(None, None)]
    assert chosen[: len(KERNELS)] == [(kernel, "default") for kernel in KERNELS]
    assert ("7.2", "lockdown-integrity") in chosen
    assert len(chosen) == sum(len(variant.kernels) for variant in VARIANTS.values())


def test_what_is_named_is_run_whatever_the_table_chooses() -> None:
    chosen = cells(["6.1"], ["container", "default"])
    assert [(cell.kernel, cell.variant.name) for cell in chosen] == [("6.1", "default"), ("6.1", "container")]
    assert {cell.kernel for cell in cells(["6.12"], None)} == {"6.12"}


def test_an_ordinary_user_runs_the_tests_for_him() -> None:
    assert pytest_arguments(VARIANTS["unprivileged"], ())[:3] == ("-q", "-m", "unprivileged")
    assert "-m" not in pytest_arguments(VARIANTS["default"], ())
    apart = [f"--ignore={path}" for path in VARIANTS["default"].left_out]
    assert pytest_arguments(VARIANTS["default"], ())[-len(apart) - 1 :] == ("tests/live", *apart)
    assert pytest_arguments(VARIANTS["paths"], ())[-1] == "tests/live/path"


def test_tests_that_are_named_are_run_even_where_the_variant_leaves_them_out() -> None:
    path = VARIANTS["psi0"].left_out[0]
    assert f"--ignore={path}" in pytest_arguments(VARIANTS["psi0"], ())
    assert pytest_arguments(VARIANTS["psi0"], (path, "-x")) == ("-q", path, "-x")


def test_single_guests_can_be_named() -> None:
    chosen = cells_named("6.1:default,7.2:lockdown-integrity")
    assert [(cell.kernel, cell.variant.name) for cell in chosen] == [
        ("6.1", "default"),
        ("7.2", "lockdown-integrity"),
    ]
    with pytest.raises(ValueError, match=r"no guest is called '6.18:default'"):
        cells_named("6.18:default")
