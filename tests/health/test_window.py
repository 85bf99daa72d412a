import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Window, counter_delta, known
from kdiag.host.base import Facts, Failure
from kdiag.procfs.uptime import Uptime

NS = 1_000_000_000


def sample_at(up_s: float, stamp_s: float, count: "int | None" = None, boot_id: str = "b") -> Sample:
    sample = Sample(Facts())
    sample.uptime = Uptime(up_s, None)
    sample.words["/proc/sys/kernel/random/boot_id"] = boot_id
    sample.stamps_ns = {"/proc/uptime": round(stamp_s * NS), "/proc/x": round(stamp_s * NS)}
    sample.raw["/proc/x"] = b""
    if count is not None:
        sample.integers["/proc/x"] = count
    return sample


def grown(window: Window, kind: str = "counter64") -> int:
    return window.delta("/proc/x", "x", lambda sample: sample.integers.get("/proc/x"), kind)


def test_a_rate_uses_the_stamps_of_its_own_file() -> None:
    before, after = sample_at(10, 10, 100), sample_at(12, 12, 400)
    after.stamps_ns["/proc/x"] = 13 * NS
    assert Window(before, after).per_s("/proc/x", lambda sample: sample.integers.get("/proc/x")) == 100.0


def test_without_clocks_uptime_tells_the_time() -> None:
    before, after = sample_at(10, 0, 1), sample_at(12.5, 0, 6)
    before.stamps_ns, after.stamps_ns = {}, {}
    assert Window(before, after).seconds("/proc/x") == 2.5


def test_a_reset_counter_has_no_rate() -> None:
    window = Window(sample_at(10, 10, 500), sample_at(11, 11, 3))
    with pytest.raises(CannotJudge, match="went back from 500 to 3: it was reset"):
        grown(window)
    assert window.per_s("/proc/x", lambda sample: sample.integers.get("/proc/x")) is None


def test_a_32_bit_counter_may_wrap_once() -> None:
    assert grown(Window(sample_at(10, 10, 2**32 - 6), sample_at(11, 11, 4)), "counter32") == 10


def test_a_counter_that_the_first_reading_lacks_has_no_rate() -> None:
    with pytest.raises(CannotJudge, match="in the first reading"):
        grown(Window(sample_at(10, 10), sample_at(11, 11, 4)))


def test_a_file_that_failed_says_so() -> None:
    after = sample_at(11, 11)
    after.failures["/proc/x"] = Failure("/proc/x", "denied", 13)
    with pytest.raises(CannotJudge, match=r"/proc/x: not permitted \(EACCES\)"):
        grown(Window(sample_at(10, 10, 4), after))


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (sample_at(1, 20, 4, boot_id="c"), "rebooted"),
        (sample_at(2, 20, 4), "uptime went back"),
        (sample_at(11, 70, 4), "grew less than the time"),
    ],
)
def test_a_reboot_between_the_readings_drops_the_first(after: Sample, why: str) -> None:
    window = Window(sample_at(10, 10, 3), after)
    assert why in window.note
    assert window.since_boot
    assert window.basis == "since boot"


def test_a_suspend_between_the_readings_is_no_reboot() -> None:
    assert Window(sample_at(10, 10, 3), sample_at(3600, 11, 4)).note == ""


def test_one_sample_alone_gives_growth_since_boot() -> None:
    window = Window(None, sample_at(100, 7, 50))
    assert window.basis == "since boot"
    assert window.per_s("/proc/x", lambda sample: sample.integers.get("/proc/x")) == 0.5


@given(st.integers(0, 2**64), st.integers(0, 2**64), st.sampled_from(["counter64", "counter32", "clamp0"]))
def test_a_delta_is_never_negative(before: int, after: int, kind: str) -> None:
    delta = counter_delta(before, after, kind)
    assert delta is None or delta >= 0
    if after >= before:
        assert delta == after - before


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1))
def test_a_small_step_over_the_wrap_is_found_again(before: int, step: int) -> None:
    assert counter_delta(before, (before + step) % 2**32, "counter32") == step


def test_what_is_missing_names_the_item_or_why_the_file_was_not_read() -> None:
    sample = sample_at(10, 10)
    with pytest.raises(CannotJudge, match="/proc/x: MemAvailable is not in it"):
        known(sample, None, "/proc/x", "MemAvailable")
    sample.failures["/proc/x"] = Failure("/proc/x", "denied", 13)
    with pytest.raises(CannotJudge, match=r"/proc/x: not permitted \(EACCES\)"):
        known(sample, None, "/proc/x", "MemAvailable")
