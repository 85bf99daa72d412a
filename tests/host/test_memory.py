import errno

import pytest

from kdiag.host.base import ReadError
from kdiag.host.memory import MemoryHost


def test_any_errno_can_be_given_for_any_path() -> None:
    host = MemoryHost([{"/proc/pressure/cpu": errno.EOPNOTSUPP}])
    with pytest.raises(ReadError) as caught:
        host.read("/proc/pressure/cpu")
    assert caught.value.failure.kind == "unsupported"


def test_folders_follow_from_the_paths_of_the_moment() -> None:
    host = MemoryHost([{"/proc/1/stat": b"", "/proc/stat": b""}, {"/proc/2/stat": b""}])
    assert host.list("/proc") == ["1", "stat"]
    assert host.advance(1.0)
    assert host.list("/proc") == ["2"]
    assert not host.advance(1.0)
