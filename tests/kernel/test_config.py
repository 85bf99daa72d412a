import gzip

from kdiag.host.memory import MemoryHost
from kdiag.kernel.config import read_config

TEXT = b"CONFIG_KPROBES=y\n# CONFIG_FTRACE is not set\nCONFIG_VETH=m\n"
RELEASE = {"/proc/sys/kernel/osrelease": b"6.1.0-56-amd64\n"}


def test_the_running_kernel_s_own_copy_comes_first() -> None:
    host = MemoryHost(
        [{**RELEASE, "/proc/config.gz": gzip.compress(TEXT), "/boot/config-6.1.0-56-amd64": b"x"}]
    )
    config = read_config(host)
    assert config.source == "/proc/config.gz"
    assert [config.value(f"CONFIG_{name}") for name in ("KPROBES", "FTRACE", "VETH", "NOSUCH")] == [
        "y",
        "n",
        "m",
        "n",
    ]


def test_without_it_the_file_of_the_release_is_read() -> None:
    host = MemoryHost([{**RELEASE, "/boot/config-6.1.0-56-amd64": TEXT, "/boot/config-6.2.0": b"x"}])
    assert read_config(host).source == "/boot/config-6.1.0-56-amd64"


def test_a_configuration_that_cannot_be_read_makes_every_option_unknown_not_absent() -> None:
    config = read_config(MemoryHost([RELEASE]))
    assert config.source is None
    assert config.value("CONFIG_KPROBES") is None
    assert len(config.tried) == 6
    assert "/boot/config-6.1.0-56-amd64: not on this kernel (ENOENT)" in config.tried


def test_a_damaged_copy_is_not_used_in_part() -> None:
    for damaged in (gzip.compress(TEXT)[:-9], b"\x1f\x8b", b"CONFIG_KPROBES=y\n"):
        config = read_config(MemoryHost([{**RELEASE, "/proc/config.gz": damaged}]))
        assert config.source is None
        assert config.tried[0] == "/proc/config.gz: not a whole gzip file"


def test_a_release_that_is_a_path_is_not_followed() -> None:
    host = MemoryHost([{"/proc/sys/kernel/osrelease": b"../../etc/passwd\n"}])
    assert read_config(host).source is None
