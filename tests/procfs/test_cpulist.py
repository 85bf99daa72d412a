from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.procfs.cpulist import CpuList, parse_cpulist
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

WANTED = "a list such as 0-3,8"


@pytest.mark.parametrize(
    ("line", "cpus"),
    [
        (b"0", (0,)),
        (b"0-1", (0, 1)),
        (b"0-3,8", (0, 1, 2, 3, 8)),
        (b"0,2-3,5,4094-4095", (0, 2, 3, 5, 4094, 4095)),
        (b"", ()),  # no CPU offline; a node of memory only
    ],
)
def test_ranges_are_spelled_out(line: bytes, cpus: Tuple[int, ...]) -> None:
    assert parse_cpulist(line + b"\n") == CpuList(cpus)


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"0-",
        b"-1",
        b"3-1",
        b"0,,1",
        b"0,",
        b"0 1",
        b"2,1",
        b"0-3,3",
        b"0-70000",
        b"0-999999999",
        b"9" * 5000,
    ],
)
def test_a_line_that_is_no_list_is_a_problem_and_not_an_empty_list(line: bytes) -> None:
    parsed = parse_cpulist(line + b"\n", "/r/online")
    assert parsed == CpuList(None, (Problem("/r/online", 1, line[:120].decode(), WANTED),))


def test_an_empty_file_is_a_problem_and_not_an_empty_list() -> None:
    assert parse_cpulist(b"", "/r/online") == CpuList(None, (Problem("/r/online", 1, "", WANTED),))


@given(st.sets(st.integers(0, 300)))
def test_what_the_kernel_would_print_for_a_set_is_read_back(cpus: "set[int]") -> None:
    ranges: List[List[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    line = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    assert parse_cpulist(line.encode() + b"\n") == CpuList(tuple(sorted(cpus)))


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_cpulist, b"0-3,8,10-4095\n")
    holds_for_any_bytes(parse_cpulist, b"0-3,8,10-4095\n")
