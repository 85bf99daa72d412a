from kdiag.host.memory import MemoryHost
from kdiag.kernel.capabilities import NAMES, privilege_of_reader

STATUS = b"Name:\tkdiag\nUid:\t0\t%d\t0\t0\nNoNewPrivs:\t%d\nCapEff:\t%s\nSeccomp:\t%d\n"


def host(euid: int, mask: bytes, no_new_privs: int = 0, seccomp: int = 0) -> MemoryHost:
    return MemoryHost(
        [
            {
                "/proc/self/status": STATUS % (euid, no_new_privs, mask, seccomp),
                "/proc/sys/kernel/cap_last_cap": b"40\n",
            }
        ]
    )


def test_names_stand_at_the_bits_of_the_kernel() -> None:
    assert (NAMES[21], NAMES[24], NAMES[38], NAMES[39], len(NAMES)) == (
        "CAP_SYS_ADMIN",
        "CAP_SYS_RESOURCE",
        "CAP_PERFMON",
        "CAP_BPF",
        41,
    )


def test_root_with_all_has_all() -> None:
    privilege = privilege_of_reader(host(0, b"000001ffffffffff"))
    assert privilege.has_all
    assert privilege.euid == 0
    assert privilege.has("CAP_SYS_ADMIN")


def test_root_in_a_container_has_not_all() -> None:
    privilege = privilege_of_reader(host(0, b"00000000a80425fb", seccomp=2, no_new_privs=1))
    assert not privilege.has_all
    assert not privilege.has("CAP_SYS_ADMIN")
    assert (privilege.seccomp, privilege.no_new_privs) == (2, True)


def test_a_user_has_none() -> None:
    assert privilege_of_reader(host(1000, b"0000000000000000")).effective == ()
