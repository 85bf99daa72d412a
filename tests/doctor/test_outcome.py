import errno

import pytest

from kdiag.doctor.outcome import refused_by_errno, refused_by_tracefs
from kdiag.ftrace.tracefs import TraceFsError

TOP = "/sys/kernel/tracing"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_user_who_may_not_is_told_to_be_root(number: int) -> None:
    refused = refused_by_errno("bpf(BPF_MAP_CREATE)", number, 1000)
    assert (refused.why, refused.remedy) == ("this takes root", "run as root")
    assert refused.detail == f"{errno.errorcode[number]} on bpf(BPF_MAP_CREATE)"


def test_root_who_may_not_is_told_of_a_policy() -> None:
    refused = refused_by_errno("x", errno.EPERM, 0)
    assert refused.why == "refused to root, too: by lockdown, a security module or a container"
    assert "policy" in refused.remedy


def test_other_errors_are_told_in_the_system_s_words() -> None:
    assert refused_by_errno("x", errno.EBUSY, 0).why == "device or resource busy"
    assert refused_by_errno("x", errno.EBUSY, 0, "in use").why == "in use"
    assert refused_by_errno("x", None, 0).detail == "EIO on x"


def test_a_missing_file_of_tracefs_was_not_built_in() -> None:
    refused = refused_by_tracefs(TraceFsError(f"{TOP}/kprobe_events", errno.ENOENT), 0)
    assert (refused.why, refused.detail) == ("built without it", f"ENOENT on {TOP}/kprobe_events")


def test_kdiag_s_own_instance_is_not_named_by_its_number() -> None:
    error = TraceFsError(f"{TOP}/instances/kdiag-7-99-1/set_ftrace_filter", errno.EPERM, "x")
    assert refused_by_tracefs(error, 0).detail == "EPERM on set_ftrace_filter of a private instance"
    error = TraceFsError(f"{TOP}/instances/kdiag-7-99", errno.ENOMEM)
    assert refused_by_tracefs(error, 0).detail == "ENOMEM on mkdir of an instance"


def test_the_kernel_s_own_words_come_first() -> None:
    log = "the kernel says: Failed to register probe event\n  p:x y\n  ^"
    refused = refused_by_tracefs(TraceFsError(f"{TOP}/kprobe_events", errno.EINVAL, "p:x y", log), 0)
    assert refused.why == "the kernel says: Failed to register probe event"
