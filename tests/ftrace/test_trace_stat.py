import pytest

from kdiag.ftrace.trace_stat import parse_function_stat
from tests.ftrace.captures import CAPTURES, KERNELS, read
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_recorded_profile_is_read_whole(kernel: str) -> None:
    for path in sorted((CAPTURES / kernel).glob("profile.*")):
        text = read(kernel, path.name)
        parsed = parse_function_stat(text)
        assert parsed.problems == ()
        assert len(parsed.functions) == text.count(b"\n") - 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_workload_is_counted(kernel: str) -> None:
    hits = {
        each.name: each.hits
        for each in parse_function_stat(read(kernel, "profile.filtered.function1.txt")).functions
    }
    assert hits["ext4_file_open"] >= 100
    assert hits["do_sys_openat2"] >= 150
    assert hits["hrtimer_nanosleep"] == 1


def test_names_that_the_kernel_cut_are_marked() -> None:
    text = read("6.12-retval", "profile.unfiltered.function0.txt")
    cut = [each.name for each in parse_function_stat(text).functions if each.cut]
    assert cut
    assert all(len(name) == 30 for name in cut)


def test_a_profile_without_times_is_read() -> None:
    text = b"  Function            Hit\n  --------            ---\n  f     3\n"
    (found,) = parse_function_stat(text).functions
    assert (found.name, found.hits, found.time_us) == ("f", 3, None)


def test_it_survives_any_input() -> None:
    sample = read("6.12-retval", "profile.filtered.function1.txt")
    holds_when_cut_anywhere(parse_function_stat, sample)
    holds_for_any_bytes(parse_function_stat, sample)
