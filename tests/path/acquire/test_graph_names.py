"""Names that function_graph can trace."""

import pytest

from kdiag.path.acquire.graph_names import NoSuchFunction, Traceable, near

LISTED = """__traceiter_initcall_level
vfs_read
vfs_readv
__ftrace_invalid_address___64
ext4_readdir [ext4]
cleanup_module
link_path_walk.part.0.constprop.0
cleanup_module [loop]
"""


def test_a_module_is_not_part_of_the_name() -> None:
    functions = Traceable(LISTED)
    assert "ext4_readdir" in functions
    assert "ext4_readdir [ext4]" not in functions


def test_numbers_count_every_line_even_those_that_name_no_function() -> None:
    assert Traceable(LISTED).numbers(["vfs_read", "ext4_readdir", "no_such"]) == [2, 5]


def test_a_name_that_occurs_twice_has_two_numbers() -> None:
    functions = Traceable(LISTED)
    assert functions.numbers(["cleanup_module"]) == [6, 8]
    assert functions.is_ambiguous("cleanup_module")
    assert not functions.is_ambiguous("vfs_read")


def test_a_place_holder_of_the_kernel_is_no_function() -> None:
    assert len(Traceable(LISTED)) == 6


def test_a_function_that_is_there_is_accepted() -> None:
    Traceable(LISTED).require("vfs_read")


def test_an_unknown_function_is_told_with_near_names() -> None:
    with pytest.raises(NoSuchFunction) as raised:
        Traceable(LISTED).require("vfs_raed")
    assert str(raised.value) == (
        "vfs_raed: this kernel has no such function, or only inlined into others; near: vfs_read, vfs_readv"
    )


def test_a_function_that_must_not_be_traced_is_told_apart_from_one_that_does_not_exist() -> None:
    with pytest.raises(NoSuchFunction, match="keeps it from being traced"):
        Traceable(LISTED).require("do_syscall_64", {"do_syscall_64": None})


def test_the_name_with_a_suffix_of_the_compiler_comes_first() -> None:
    assert near("link_path_walk", ["path_walk", "link_path_walk.part.0.constprop.0"])[0] == (
        "link_path_walk.part.0.constprop.0"
    )


def test_nothing_is_near_to_nothing() -> None:
    assert near("", ["vfs_read"]) == []
    assert near("zzzzzzzz", ["vfs_read"]) == []
