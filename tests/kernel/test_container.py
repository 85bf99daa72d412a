from kdiag.host.memory import MemoryHost
from kdiag.kernel.container import container_of


def test_the_first_system_has_the_first_namespaces_and_no_signs() -> None:
    host = MemoryHost([{"/proc/1/cgroup": b"0::/init.scope\n"}])
    assert container_of(host).signs == ()
    assert not container_of(host).is_likely


def test_what_runtimes_leave_is_named() -> None:
    host = MemoryHost([{"/proc/1/cgroup": b"0::/kubepods/pod1/a\n", "/.dockerenv": b""}])
    assert container_of(host).signs == ("/.dockerenv (Docker)", "/proc/1/cgroup names kubepods")
    assert container_of(host).is_likely
