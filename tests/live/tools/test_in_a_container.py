"""kdiag in a PID and mount namespace of its own, with the host's root below a folder."""

import json
import subprocess
from typing import List

import pytest

from tests.live import loads
from tests.live.traced import KDIAG, PROJECT, python

pytestmark = pytest.mark.needs("root", "tracefs", "namespaces", "tmpfs", "kernel's PIDs")

_CALLS = "import os\nfor _ in range(7): os.chdir('/')\nif not os.fork(): [os.chdir('/') for _ in range(4)]"


def _inside(root: str, *words: str) -> "subprocess.CompletedProcess[str]":
    bind = f"mount --rbind / {root} && mount --make-rslave {root}"
    script = f'set -e; {bind}; mount -t proc proc /proc; exec "$@"'
    inside = ["unshare", "--pid", "--mount", "--fork", "sh", "-c", script, "sh", *KDIAG, *words]
    return subprocess.run(inside, capture_output=True, text=True, timeout=120, check=False, cwd=PROJECT)


def _count(*more: str) -> List[str]:
    return ["count", "syscalls:sys_enter_chdir", "--json", *more, "--", *python(_CALLS)]


def test_with_the_hosts_root_a_command_is_followed_by_the_ids_that_the_kernel_knows() -> None:
    with loads.tmpfs("size=1m") as root:
        done = _inside(root, *_count("--root", root))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == 7 + 4


def test_without_it_kdiag_refuses_and_says_what_to_mount() -> None:
    with loads.tmpfs("size=1m") as root:
        done = _inside(root, *_count())
    assert (done.returncode, done.stdout) == (3, "")
    assert "--root /host" in done.stderr
