"""Which functions mark the way of a system call."""

import re

import pytest

from kdiag.path.acquire.boundary_table import FAMILIES, GROUPS, boundaries_of
from kdiag.path.acquire.graph_functions import ends_the_call

ALL = [function for group in GROUPS.values() for function in group]


def test_only_functions_that_the_kernel_has_are_probed_in_the_order_of_the_table() -> None:
    assert boundaries_of("openat", ["step_into", "vfs_open", "vfs_read"]) == (["vfs_open", "step_into"], 0)


def test_a_function_that_the_compiler_split_is_found_by_its_stem() -> None:
    assert boundaries_of("openat", ["link_path_walk.part.0", "link_path_walk.isra.0.cold"]) == (
        ["link_path_walk.part.0"],
        0,
    )


def test_no_more_than_the_given_number_is_probed_and_the_rest_is_counted() -> None:
    chosen, left_out = boundaries_of("no_such_syscall", ALL, most=10)
    assert len(chosen) == 10
    assert left_out > 0


@pytest.mark.parametrize(
    "name", ["openat", "read", "pread64", "fsync", "connect", "newfstatat", "execve", "ppoll"]
)
def test_what_a_common_call_goes_through_fits_into_sixty_probes(name: str) -> None:
    chosen, left_out = boundaries_of(name, ALL)
    assert chosen
    assert left_out == 0


def test_every_family_names_groups_that_exist_and_every_group_is_used() -> None:
    used = {group for _, groups in FAMILIES for group in groups}
    assert used == set(GROUPS)


def test_no_pattern_of_a_family_is_broken() -> None:
    assert all(re.compile(pattern) for pattern, _ in FAMILIES)


def test_no_function_of_the_table_is_one_of_the_scheduler_that_everybody_calls() -> None:
    assert [function for function in ALL if ends_the_call(function)] == []
