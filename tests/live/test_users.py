"""An ordinary user, a /proc that hides others' processes, and a container: what is not seen is said.

Run as root these drop to nobody; run by an ordinary user they are that user's own.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple, Tuple

import pytest

from tests.live import loads
from tests.live.capabilities import PROJECT, as_nobody, nobody_python
from tests.live.looking import KDIAG, Look, look


def as_user() -> Tuple[str, ...]:
    """Return the command that runs kdiag as an ordinary user."""
    if os.geteuid() != 0:
        return KDIAG
    python = nobody_python()
    assert python is not None
    return as_nobody(python, "-m", "kdiag")


def text_of(*command: str) -> "subprocess.CompletedProcess[str]":
    """Return what a user reads."""
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=PROJECT)


@pytest.fixture(scope="module")
def users_look() -> Look:
    """Look as an ordinary user, root's files asked for as well."""
    return look("--section", "findings,slab,blocked,file_systems,top", command=as_user())


@pytest.mark.needs("another user")
def test_an_ordinary_user_gets_an_answer_and_no_error(users_look: Look) -> None:
    assert users_look.exit_code in (0, 1, 2)
    assert users_look.stderr == ""
    assert users_look.document["incomplete"]["problems"] == []
    judged = [each for each in users_look.document["findings"] if each["status"] != "unknown"]
    assert len(judged) > 25
    assert users_look.rows("top", "Top tasks by CPU") != []


@pytest.mark.needs("another user")
def test_an_ordinary_user_is_told_which_files_are_roots(users_look: Look) -> None:
    failures = users_look.document["incomplete"]["failures"]
    denied = {each["path"] for each in failures if each["kind"] == "denied"}
    assert "/proc/slabinfo" in denied
    (slab,) = users_look.document["tables"]["slab"]
    assert slab["rows"] == [] and "only root may read it" in slab["missing"]
    assert users_look.finding("sys.view", "privileges")["status"] == "info"


@pytest.mark.needs("another user")
def test_what_an_ordinary_user_cannot_judge_names_the_file(users_look: Look) -> None:
    for found in users_look.document["findings"]:
        if found["status"] == "unknown":
            assert found["evidence"] != [] and found["evidence"][0]["path"].startswith("/"), found
            assert found["because"], found


@pytest.mark.needs("root", "another user", "clone")
def test_an_ordinary_user_sees_that_a_task_of_root_is_stuck_and_not_where() -> None:
    with loads.vfork_parent() as blocked:
        seen = look("--section", "findings,blocked", command=as_user())
    assert f"kd-vfork ({blocked.pid})" in seen.finding("task.d_state", "")["summary"]
    row = seen.row("blocked", "Tasks in uninterruptible sleep (D)", pid=blocked.pid)
    assert (row["user"], row["wchan"], row["stack"], row["syscall_number"]) == ("root", None, None, None)
    denied = {each["path"] for each in seen.document["incomplete"]["failures"] if each["kind"] == "denied"}
    assert "/proc/[pid]/stack" in denied


@pytest.mark.needs("another user")
def test_text_for_an_ordinary_user_has_no_traceback_in_any_command() -> None:
    for words in (("snapshot", "--all", "--explain"), ("check",), ("explain",), ("files",)):
        done = text_of(*as_user(), *words)
        assert done.returncode in (0, 1, 2), (words, done)
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stderr == "", words


@pytest.mark.needs("another user")
def test_an_ordinary_user_can_record_and_look_at_the_recording() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        done = text_of(*as_user(), "record", f"{folder}/mine")
        assert done.returncode == 0, done
        seen = look(command=as_user())
        replayed = text_of(*as_user(), "snapshot", "--json", "--root", f"{folder}/mine")
        document = json.loads(replayed.stdout)
        assert document["host"]["kind"] == "recorded"
        ids = {each["id"] for each in seen.document["findings"]}
        assert {each["id"] for each in document["findings"]} == ids
        if os.geteuid() == 0:
            subprocess.run(["rm", "-rf", f"{folder}/mine"], check=True)


@pytest.mark.needs("namespaces", "another user")
def test_where_processes_are_hidden_nothing_is_said_of_all_of_them() -> None:
    script = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *as_user()]
    with loads.vfork_parent(), loads.zombies(12):
        seen = look("--section", "findings", command=command)
    for check_id in ("task.d_state", "task.zombie", "proc.fd_limit"):
        assert [each["status"] for each in seen.findings(check_id)] == ["unknown"], check_id
    assert "hidepid" in seen.finding("sys.view", "tasks")["summary"]


class Contained(NamedTuple):
    """What is said in a container of itself, and of the host that is mounted in it."""

    own: Look
    host: Look
    root: str
    parent: int
    blocked: int
    full: str


@pytest.fixture(scope="module")
def contained() -> Iterator[Contained]:
    """Run kdiag in its own PID and mount namespaces, the host's root bound below a folder (rslave)."""
    with loads.zombies(12) as parent, loads.vfork_parent() as blocked, loads.tmpfs("size=4m") as full:
        Path(f"{full}/fill").write_bytes(bytes(4 << 20))
        with loads.tmpfs("size=1m") as root:
            bind = f"mount --rbind / {root} && mount --make-rslave {root}"
            script = f'set -e; {bind}; mount -t proc proc /proc; exec "$@"'
            inside = ["unshare", "--pid", "--mount", "--fork", "sh", "-c", script, "sh", *KDIAG]
            own, host = look(command=inside), look("--root", root, command=inside)
        yield Contained(own, host, root, parent.pid, blocked.pid, full)


@pytest.mark.needs("namespaces", "tmpfs", "clone")
def test_in_a_container_the_host_below_its_root_is_seen_whole(contained: Contained) -> None:
    document = contained.host.document
    assert (document["host"]["kind"], document["host"]["root"]) == ("live", contained.root)
    found = contained.host.finding("task.zombie", f"kd-parent ({contained.parent})")
    assert (found["status"], found["value"]) == ("warning", 12)
    stuck = contained.host.finding("task.d_state", "")
    assert f"kd-vfork ({contained.blocked})" in stuck["summary"]
    space = contained.host.finding("fs.space", contained.full)
    assert space["status"] == "critical"


@pytest.mark.needs("namespaces", "tmpfs", "clone")
def test_a_container_that_sees_only_itself_does_not_judge_the_tasks_of_the_host(contained: Contained) -> None:
    for check_id in ("task.d_state", "task.zombie"):
        statuses = [each["status"] for each in contained.own.findings(check_id)]
        assert statuses == ["unknown"], contained.own.findings(check_id)
    assert "threads are in sight" in contained.own.finding("sys.view", "tasks")["summary"]


@pytest.mark.needs("namespaces", "tmpfs", "clone")
def test_in_a_container_the_host_and_it_share_what_has_no_namespace(contained: Contained) -> None:
    own, host = contained.own.document, contained.host.document
    for field in ("kernel", "online_cpus", "memory_kib"):
        assert own["host"][field] == host["host"][field]


def lab_root() -> str:
    """Return where the host's root is, if these tests themselves run in a container of the lab."""
    return os.environ.get("KDIAG_LAB_ROOT", "/")


@pytest.mark.skipif(lab_root() == "/", reason="these tests do not run in a container of the lab")
def test_from_within_the_labs_container_the_host_is_seen() -> None:
    host, own = look("--root", lab_root()), look()
    assert host.document["incomplete"]["problems"] == []
    threads = [each.row("load", "Load")["threads"] for each in (host, own)]
    assert threads[0] == pytest.approx(threads[1], abs=20)
    assert host.findings("task.d_state")[0]["status"] != "unknown"
    assert own.findings("task.d_state")[0]["status"] == "unknown"
