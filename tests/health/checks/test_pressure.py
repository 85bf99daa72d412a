from kdiag.health.check import Verdict, judge
from kdiag.health.checks.pressure import CHECKS
from kdiag.health.finding import Finding, NotApplicable
from kdiag.health.window import Window
from tests.health.windows import window_of

PSI = "/proc/pressure"
EOPNOTSUPP, ENOENT = 95, 2


def verdict(window: Window, check_id: str) -> Verdict:
    return next(each for each in judge(window, CHECKS) if each.id == check_id)


def because(window: Window, check_id: str) -> str:
    found = verdict(window, check_id)
    assert isinstance(found, Finding) and found.status == "unknown"
    return found.because


def test_a_finding_names_the_average_and_its_line() -> None:
    some = b"some avg10=70.00 avg60=30.00 avg300=9.00 total=5\n"
    full = b"full avg10=43.10 avg60=21.00 avg300=6.00 total=4\n"
    found = verdict(window_of(last={f"{PSI}/memory": some + full}), "mem.psi")
    assert isinstance(found, Finding)
    assert (found.status, found.value, found.basis) == ("critical", 43.1, "instant")
    assert found.summary == "tasks waited for memory in 43.1% of the time (full avg10)"
    assert [str(each) for each in found.evidence] == ["/proc/pressure/memory:2"]


def test_one_reading_is_enough() -> None:
    found = verdict(window_of(once=True), "io.psi")
    assert isinstance(found, Finding) and found.status == "ok"


def test_psi_that_is_switched_off_says_how_to_switch_it_on() -> None:
    off = {f"{PSI}/cpu": EOPNOTSUPP}
    assert because(window_of(off, off), "cpu.psi") == (
        "/proc/pressure/cpu: switched off in this kernel (EOPNOTSUPP); PSI is off: boot with psi=1"
    )


def test_a_kernel_that_does_not_count_interrupts_has_nothing_to_judge() -> None:
    without = {f"{PSI}/irq": ENOENT}
    assert isinstance(verdict(window_of(without, without), "cpu.irq_psi"), NotApplicable)


def test_a_kernel_that_could_count_interrupts_but_does_not_is_unknown() -> None:
    off = {f"{PSI}/irq": EOPNOTSUPP}
    assert because(window_of(off, off), "cpu.irq_psi").endswith("does not account for the time of interrupts")


def test_without_any_pressure_file_interrupt_pressure_is_unknown_too() -> None:
    none = {f"{PSI}/{name}": ENOENT for name in ("cpu", "memory", "io", "irq")}
    for check_id in ("cpu.psi", "mem.psi", "io.psi", "cpu.irq_psi"):
        assert "this kernel has no PSI file" in because(window_of(none, none), check_id)
