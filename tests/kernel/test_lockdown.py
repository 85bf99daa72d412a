import errno

import pytest

from kdiag.host.memory import MemoryHost
from kdiag.kernel.config import Config
from kdiag.kernel.lockdown import LOCKDOWN, lockdown_of

UNKNOWN = Config(None, {})


def config(**values: str) -> Config:
    return Config("/proc/config.gz", {f"CONFIG_{name}": value for name, value in values.items()})


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (b"[none] integrity confidentiality\n", "none"),
        (b"none [integrity] confidentiality\n", "integrity"),
        (b"none integrity [confidentiality]\n", "confidentiality"),
    ],
)
def test_the_state_is_the_word_in_brackets(text: bytes, state: str) -> None:
    found = lockdown_of(MemoryHost([{LOCKDOWN: text}]), UNKNOWN)
    assert (found.state, found.source) == (state, LOCKDOWN)


def test_a_securityfs_elsewhere_is_read() -> None:
    host = MemoryHost([{"/proc/self/fd/7/lockdown": b"none [integrity] confidentiality\n"}])
    assert lockdown_of(host, UNKNOWN, "/proc/self/fd/7").state == "integrity"


def test_without_securityfs_the_boot_parameter_tells_the_least_that_it_is() -> None:
    found = lockdown_of(MemoryHost([{"/proc/cmdline": b"quiet lockdown=confidentiality\n"}]), UNKNOWN)
    assert (found.state, found.source) == ("confidentiality", "/proc/cmdline")
    assert found.why == "at least: securityfs, which tells it, is not mounted"


def test_without_securityfs_a_forced_mode_is_told_by_the_configuration() -> None:
    built = config(SECURITY_LOCKDOWN_LSM="y", LOCK_DOWN_KERNEL_FORCE_INTEGRITY="y", LSM="lockdown,bpf")
    assert lockdown_of(MemoryHost([{}]), built).state == "integrity"


def test_a_kernel_without_lockdown_is_not_locked_down() -> None:
    assert lockdown_of(MemoryHost([{}]), config()).state == "none"
    built = config(SECURITY_LOCKDOWN_LSM="y", LOCK_DOWN_KERNEL_FORCE_INTEGRITY="y", LSM="landlock,bpf")
    assert lockdown_of(MemoryHost([{}]), built).state == "none"


def test_what_nothing_tells_is_unknown() -> None:
    assert lockdown_of(MemoryHost([{}]), UNKNOWN).state is None
    denied = lockdown_of(MemoryHost([{LOCKDOWN: errno.EACCES}]), UNKNOWN)
    assert (denied.state, denied.why) == (None, f"{LOCKDOWN}: not permitted (EACCES)")
