import errno
from typing import Any, Dict

import pytest

from kdiag.doctor.capabilities import CAPABILITIES
from kdiag.doctor.mechanism import Trial
from kdiag.doctor.trials import Trials
from kdiag.host.base import Facts
from kdiag.host.memory import MemoryHost


def tried(id: str, files: Dict[str, Any], euid: int = 0) -> Trial:
    return Trials(MemoryHost([files], facts=Facts(reader_euid=euid))).try_capability(id)


def test_pressure_that_is_switched_off_is_told_from_pressure_that_was_not_built_in() -> None:
    path = "/proc/pressure/cpu"
    off = tried("psi", {path: errno.EOPNOTSUPP})
    assert (off.works, off.why, off.remedy) == (False, "built in, but switched off", "boot with psi=1")
    absent = tried("psi", {})
    assert (absent.works, absent.why) == (False, "this kernel was built without it")
    assert absent.remedy == CAPABILITIES["psi"].remedy
    assert tried("psi", {path: b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"}).works


def test_addresses_that_are_all_zero_are_no_addresses() -> None:
    hidden = tried("kallsyms", {"/proc/kallsyms": b"0000000000000000 T vfs_read\n"})
    assert (hidden.works, hidden.why) == (False, "hidden by kernel.kptr_restrict or no CAP_SYSLOG")
    shown = tried("kallsyms", {"/proc/kallsyms": b"ffffffff81000000 T vfs_read\n"})
    assert (shown.works, shown.detail) == (True, "1 symbols")


def test_processes_of_others_may_be_hidden() -> None:
    files = {"/proc/stat": b"cpu 1\n", "/proc/self/stat": b"7 (kdiag) R\n"}
    assert tried("procfs", files).detail == "but processes of others are hidden (hidepid)"
    assert tried("procfs", {**files, "/proc/1/stat": b"1 (init) S\n"}).detail == ""


@pytest.mark.parametrize(("euid", "why"), [(1000, "this takes root"), (0, "refused to root, too")])
def test_who_asks_decides_what_a_refusal_means(euid: int, why: str) -> None:
    trial = tried("kallsyms", {"/proc/kallsyms": errno.EPERM}, euid)
    assert trial.works is False
    assert trial.why.startswith(why)
    assert trial.detail == "EPERM on /proc/kallsyms"
