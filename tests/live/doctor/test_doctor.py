"""`kdiag doctor` on the kernel underneath: its answers are right, and it leaves nothing behind."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, Dict, Set

import jsonschema
import pytest

from kdiag.doctor.capabilities import CAPABILITIES
from tests.live.capabilities import as_nobody, nobody_python
from tests.live.doctor.known import known_here
from tests.live.traced import PROJECT, kdiag, left_by, start_kdiag, state_of, tracefs

SCHEMA = PROJECT / "kdiag" / "report" / "schemas" / "doctor.1.json"


@cache
def doctored() -> Dict[str, Any]:
    done = kdiag("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document: Dict[str, Any] = json.loads(done.stdout)
    return document


def works() -> Dict[str, Any]:
    return {row["id"]: row["works"] for row in doctored()["capabilities"]}


@pytest.mark.needs("root", "tracefs")
def test_answers_are_those_that_are_known_of_this_kernel() -> None:
    known = known_here()
    if known is None:
        pytest.skip(f"nobody has said yet what {platform.release()} lets one do")
    found = works()
    wrong = {id: (found[id], known[id]) for id in known if found[id] is not known[id]}
    assert wrong == {}, "found, known"


@pytest.mark.needs("root")
def test_the_document_is_what_its_schema_says() -> None:
    jsonschema.validate(doctored(), json.loads(SCHEMA.read_text()))


@pytest.mark.needs("root", "tracefs")
def test_files_that_only_exist_where_something_is_built_in_agree() -> None:
    top = tracefs()
    found = works()
    if not top.exists("kprobe_events"):
        assert found["kprobes"] is found["kretprobes"] is False
    if not top.exists("uprobe_events"):
        assert found["uprobes"] is False
    assert (found["hist"] is True) == (" hist" in top.read("events/sched/sched_switch/trigger"))
    tracers = top.read("available_tracers").split()
    for id, tracer in (("function", "function"), ("function_graph_top", "function_graph")):
        if tracer not in tracers:
            assert found[id] is False
    readme = top.read("README")
    if "f[:[<group>/][<event>]]" not in readme and "f|t" not in readme and " f[" not in readme:
        assert found["fprobes"] is False
    if "e[:[<group>/][<event>]]" not in readme and " e[" not in readme:
        assert found["eprobes"] is False


def _everything() -> Dict[str, Any]:
    top = tracefs()
    state = state_of(top)
    state["mounts"] = Path("/proc/self/mountinfo").read_text()
    state["triggers"] = top.read("events/sched/sched_process_exit/trigger")
    state["enabled"] = top.read("events/sched/enable") + top.read("events/syscalls/enable")
    return state


def _foreign_instances(pid: int) -> Set[str]:
    """Return instances that are of no session that runs beside this test."""
    return {
        name for name in tracefs().list("instances") if not name.startswith("kdiag-") or f"-{pid}-" in name
    }


@pytest.mark.needs("root", "tracefs")
def test_nothing_is_left_behind() -> None:
    before, instances = _everything(), _foreign_instances(os.getpid())
    running = start_kdiag("doctor")
    out, err = running.communicate(timeout=300)
    assert (running.returncode, err) == (0, "")
    assert "nothing is left behind" in " ".join(out.split())
    assert left_by(tracefs(), running.pid) == []
    assert _foreign_instances(os.getpid()) == instances
    assert _everything() == before


def _in_the_middle(running: "subprocess.Popen[str]", more_s: float) -> None:
    """Wait until trials are under way: a slow guest takes seconds to get there."""
    end = time.monotonic() + 60
    while not left_by(tracefs(), running.pid):
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(more_s)


@pytest.mark.needs("root", "tracefs")
def test_what_is_left_after_a_kill_is_removed_by_the_next_run() -> None:
    before = _everything()
    for more_s in (0.0, 0.03, 0.1, 0.4, 0.7):
        running = start_kdiag("doctor")
        _in_the_middle(running, more_s)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert kdiag("cleanup").returncode == 0
        assert left_by(tracefs(), running.pid) == []
    assert _everything() == before


@pytest.mark.needs("root", "tracefs")
def test_an_interrupt_in_the_middle_leaves_nothing() -> None:
    before = _everything()
    for number in (signal.SIGINT, signal.SIGTERM):
        running = start_kdiag("doctor")
        _in_the_middle(running, 0.05)
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
        assert "Traceback" not in err
        assert left_by(tracefs(), running.pid) == []
    assert _everything() == before


@pytest.mark.needs("root", "tracefs")
def test_two_at_once_find_the_same() -> None:
    one, two = start_kdiag("doctor", "--json"), start_kdiag("doctor", "--json")
    documents = [json.loads(each.communicate(timeout=300)[0]) for each in (one, two)]
    first, second = ({row["id"]: row["works"] for row in each["capabilities"]} for each in documents)
    # What is shared can be tried by one of them at a time.
    shared = {"function_graph_top", "funcgraph_retval", "funcgraph_args"}
    assert {id: first[id] for id in first if id not in shared} == {
        id: second[id] for id in second if id not in shared
    }


@pytest.mark.needs("root", "tracefs")
def test_another_tracer_is_named_and_kept() -> None:
    top = tracefs()
    name = f"somebody-{os.getpid()}"
    top.mkdir(f"instances/{name}")
    try:
        instance = top.below(f"instances/{name}")
        instance.write("events/sched/sched_process_exec/enable", "1")
        document = json.loads(kdiag("doctor", "--json").stdout)
        assert instance.path("") in [row["path"] for row in document["others"]]
        assert instance.read("events/sched/sched_process_exec/enable").strip() == "1"
    finally:
        top.rmdir(f"instances/{name}")


@pytest.mark.needs("root", "tracefs")
def test_records_of_others_in_the_shared_buffer_are_not_erased_by_trying() -> None:
    if "KDIAG_LAB" not in os.environ or works()["function_graph_instance"] is True:
        pytest.skip("only in the lab, and where function_graph has to be shared")
    top = tracefs()
    top.write("events/sched/sched_process_exit/enable", "1")
    subprocess.run(["true"], check=True)
    top.write("events/sched/sched_process_exit/enable", "0")
    before = top.read("trace").count("sched_process_exit:")
    assert before > 0
    try:
        document = json.loads(kdiag("doctor", "--json").stdout)
        row = next(row for row in document["capabilities"] if row["id"] == "function_graph_top")
        assert row["works"] is None
        assert "somebody's records" in row["why"]
        assert top.read("trace").count("sched_process_exit:") == before
    finally:
        top.clear("trace")


@pytest.mark.needs("root")
def test_bpf_is_told_as_bpftool_tells_it() -> None:
    bpftool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if bpftool is None:
        pytest.skip("no bpftool")
    done = subprocess.run([bpftool, "-j", "feature", "probe", "kernel"], capture_output=True, check=True)
    types = json.loads(done.stdout)["program_types"]
    row = next(row for row in doctored()["capabilities"] if row["id"] == "bpf")
    for name in ("kprobe", "tracepoint", "perf_event", "raw_tracepoint"):
        assert (name in row["detail"]) == types[f"have_{name}_prog_type"]


@pytest.mark.needs("another user")
def test_an_ordinary_user_is_told_what_root_would_add() -> None:
    command = [sys.executable, "-m", "kdiag", "doctor", "--json"]
    if os.geteuid() == 0:
        python = nobody_python()
        assert python is not None
        command = [*as_nobody(python, "-m", "kdiag", "doctor", "--json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    rows = {row["id"]: row for row in document["capabilities"]}
    assert rows["procfs"]["works"] is True
    wchan = rows["proc_wchan"]["works"]
    assert wchan is works()["proc_wchan"]
    assert rows["tracefs"]["works"] is False
    assert "root" in rows["tracefs"]["remedy"]
    needing = [id for id, row in CAPABILITIES.items() if "tracefs" in row.needs or "instances" in row.needs]
    assert {rows[id]["works"] for id in needing} == {None}
    commands = {row["command"]: row for row in document["commands"]}
    assert commands["path"]["mechanism"] == ("wchan" if wchan else None)
    assert commands["stream"]["mechanism"] is None


@pytest.mark.needs("root", "tracefs")
def test_the_text_fits_80_columns_and_names_every_command() -> None:
    done = kdiag("doctor", env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for command in ("snapshot", "path", "count", "stream", "probes", "cleanup"):
        assert any(line.startswith(command) for line in done.stdout.splitlines())
