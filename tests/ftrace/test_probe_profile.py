import pytest

from fixtures.recorded_tracefs import KERNELS, raw
from kdiag.ftrace.probe_profile import ProbeProfile, parse_kprobe_profile, parse_uprobe_profile
from tests.ftrace.captures import KERNELS as CAPTURED
from tests.ftrace.captures import read
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere


@pytest.mark.parametrize("kernel", CAPTURED)
def test_probes_are_counted_as_the_kernel_did(kernel: str) -> None:
    parsed = parse_kprobe_profile(read(kernel, "probes.kprobe_profile.txt"))
    assert parsed.problems == ()
    assert [(each.name, each.hits, each.missed) for each in parsed.probes] == [
        ("o", 17, 0),
        ("or", 17, 0),
        ("never", 0, 0),
        ("a_probe_with_a_name_longer_than_forty_four_letters_x", 1, 0),
        ("btf", 17, 0),
        ("btfr", 17, 0),
    ]
    up = parse_uprobe_profile(read(kernel, "probes.uprobe_profile.txt"))
    assert up.probes == (ProbeProfile("up", 2, None, "/bin/work"),)


def test_missed_hits_are_told() -> None:
    (probe,) = parse_kprobe_profile(read("6.12-retval", "probes-missed.kprobe_profile.txt")).probes
    assert (probe.name, probe.hits, probe.missed) == ("miss", 8, 20)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_recorded_profile_is_read(kernel: str) -> None:
    assert parse_kprobe_profile(raw(kernel, "probes.kprobe_profile.txt")).problems == ()
    up = parse_uprobe_profile(raw(kernel, "probes.uprobe_profile.txt"))
    assert up.problems == ()
    assert {each.path for each in up.probes} == {"/tmp/kd-tracefs/true"}


def test_a_bad_line_is_a_problem_and_the_others_survive() -> None:
    parsed = parse_kprobe_profile(b"  a 1\n  b  2  0\n", "/t/kprobe_profile")
    assert [each.name for each in parsed.probes] == ["b"]
    assert [(each.line, each.wanted) for each in parsed.problems] == [(1, "NAME HITS MISSED")]


def test_it_survives_any_input() -> None:
    sample = read("7.2-full", "probes.kprobe_profile.txt")
    holds_when_cut_anywhere(parse_kprobe_profile, sample)
    holds_for_any_bytes(parse_kprobe_profile, sample)
    holds_for_any_bytes(parse_uprobe_profile, read("7.2-full", "probes.uprobe_profile.txt"))
