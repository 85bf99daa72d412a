"""The ways in which a kernel is booted and looked at: what each row of the matrix changes, and how it is
proved.

A variant that is not in force would make its whole row a lie, so each one names a check that the guest makes
before the tests run (`proof`): without it the guest has failed.
"""

from typing import Dict, NamedTuple, Optional, Tuple

from lab.kernels import KERNELS

__all__ = ["VARIANTS", "Variant"]


class Variant(NamedTuple):
    """One row of the matrix.

    `boot` are kernel parameters. `prepare` is done by root in the guest (sh). `proof` must succeed there, in
    the very place and as the very user that the tests run as. `user` is who runs the tests. `place` is where:
    on the `host`, or in a `container` (own PID and mount namespace, the host's root at /host). `tests` are
    run but for those `left_out`, within `deadline_s` where these take longer than others.
    """

    name: str
    why: str
    boot: Tuple[str, ...] = ()
    prepare: str = ""
    proof: str = "true"
    user: str = "root"
    place: str = "host"
    kernels: Tuple[str, ...] = tuple(KERNELS)
    tests: Tuple[str, ...] = ("tests/live",)
    left_out: Tuple[str, ...] = ()
    deadline_s: Optional[float] = None


# Comparisons with other tools take as long as all that is compared.
_PEERS = ("tests/live/test_peers.py",)

# Loads whose figures come from files that lockdown and kptr_restrict do not touch. What they change is which
# files can be read and what can be traced, and the tests of that are run.
_LOADS = (
    *_PEERS,
    "tests/live/test_groups.py",
    "tests/live/test_pressure.py",
    "tests/live/test_shares.py",
)

# As long as all others together: each scenario by each mechanism, and to hook every function of a kernel
# takes ten seconds under emulation.
_PATHS = ("tests/live/path",)

# Tools by every mechanism that a kernel has, and the BPF programs that some of them load.
_TOOLS = ("tests/live/tools", "tests/live/ebpf")

# Tracing knows neither pressure nor control groups.
_TRACING = ("tests/live/ftrace", *_PATHS, *_TOOLS)

# Where a variant changes what kdiag reads and not what the kernel does, the oldest and the newest kernel tell
# enough.
_ENDS = ("5.10", "7.2")

_ORDINARY = "test $(id -u) -eq 65534 && ! test -r /proc/1/io"

VARIANTS: Dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "default",
            "as the distribution ships it, cgroup v2",
            proof="grep -q cgroup2 /proc/self/mounts",
            left_out=_PEERS + _PATHS + _TOOLS,
        ),
        Variant(
            "peers",
            "as default; beside procps, sysstat and strace on the same load, in a guest of its own",
            proof="grep -q cgroup2 /proc/self/mounts",
            kernels=_ENDS,
            tests=_PEERS,
        ),
        Variant(
            "tools",
            "as default; tools by every mechanism that works, in a guest of its own",
            proof="grep -q cgroup2 /proc/self/mounts",
            tests=_TOOLS,
            deadline_s=2700,
        ),
        Variant(
            "paths",
            "as default; the path of system calls by every mechanism, in a guest of its own",
            proof="grep -q cgroup2 /proc/self/mounts",
            tests=_PATHS,
            deadline_s=2700,
        ),
        Variant(
            "tools-confidentiality",
            "tools where lockdown closes tracefs and kprobes: by BPF and /proc alone",
            boot=("lockdown=confidentiality",),
            proof="grep -qF '[confidentiality]' /sys/kernel/security/lockdown",
            kernels=_ENDS,
            tests=_TOOLS,
            deadline_s=2700,
        ),
        Variant(
            "lockdown-integrity",
            "what Secure Boot sets: no kernel memory is to be written",
            boot=("lockdown=integrity",),
            proof="grep -qF '[integrity]' /sys/kernel/security/lockdown",
            kernels=_ENDS,
            left_out=_LOADS + _PATHS + _TOOLS,
        ),
        Variant(
            "unprivileged",
            "an ordinary user without any capability",
            proof=_ORDINARY,
            user="nobody",
            left_out=_PEERS,
        ),
        Variant(
            "container",
            "own PID and mount namespace, the host's root at /host",
            proof="test -e /host/proc/1/stat && test $(ls -d /proc/[0-9]* | wc -l) -lt 10",
            place="container",
            kernels=_ENDS,
            left_out=_LOADS + _PATHS + _TOOLS,
        ),
        Variant(
            "psi0",
            "a kernel without pressure stall information, as RHEL boots it",
            boot=("psi=0",),
            proof="! cat /proc/pressure/cpu",
            kernels=("7.2",),
            left_out=_PEERS + _TRACING,
        ),
        Variant(
            "cgroup-v1",
            "the controllers on the old hierarchy, as on RHEL 8 and Ubuntu 20.04",
            boot=("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",),
            proof="test -e /sys/fs/cgroup/memory/memory.usage_in_bytes",
            kernels=("5.10", "6.1"),  # Debian's later ones are built without CONFIG_MEMCG_V1
            left_out=_PEERS + _TRACING,
        ),
        Variant(
            "lockdown-confidentiality",
            "no kernel memory is to be read either: tracefs and perf close",
            boot=("lockdown=confidentiality",),
            proof="grep -qF '[confidentiality]' /sys/kernel/security/lockdown",
            kernels=_ENDS,
            left_out=_LOADS + _PATHS + _TOOLS,
        ),
        Variant(
            "kptr-restrict",
            "kernel addresses are zero even for root",
            prepare="echo 2 > /proc/sys/kernel/kptr_restrict",
            proof="grep -qx 2 /proc/sys/kernel/kptr_restrict",
            kernels=("7.2",),
            left_out=_LOADS + _PATHS + _TOOLS,
        ),
        Variant(
            "hidepid2",
            "/proc shows an ordinary user only processes of his own",
            prepare="mount -o remount,hidepid=2 /proc",
            proof="test $(id -u) -eq 65534 && ! test -e /proc/1",
            user="nobody",
            kernels=("6.1",),
            left_out=_PEERS,
        ),
        Variant(
            "cgroup-v2",
            "the old hierarchy is not even there to be mounted",
            boot=("cgroup_no_v1=all",),
            proof="test -e /sys/fs/cgroup/cgroup.controllers && grep -q cgroup_no_v1=all /proc/cmdline",
            kernels=("7.2",),
            left_out=_PEERS + _TRACING,
        ),
    )
}
