"""``kdiag stream`` and ``kdiag probes`` on the kernel underneath."""

import json
import os
from typing import Any, Dict, List

import pytest

from tests.live.capabilities import as_nobody, nobody_python
from tests.live.traced import has, kdiag, python, start_kdiag, tracefs

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs")


def _rows(*words: str) -> List[Dict[str, Any]]:
    done = kdiag("stream", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_call_is_shown_with_its_fields_and_its_error() -> None:
    code = "import os\ntry: os.chdir('/nosuch')\nexcept OSError: pass\nos.chdir('/')"
    begin, *events, end = _rows("syscalls:sys_*_chdir", "--json", "--", *python(code))
    assert [row["event"] for row in events] == ["sys_enter_chdir", "sys_exit_chdir"] * 2
    assert [row["shown"]["ret"] for row in events if "ret" in row["shown"]] == ["-2 ENOENT", "0"]
    assert [row["fields"]["ret"] for row in events[1::2]] == [-2, 0]
    assert begin["kind"] == "begin" and end["kind"] == "end"
    assert (end["events"], end["lost"], end["ended"]) == (4, 0, "the command ended")
    assert [row["ts_ns"] for row in events] == sorted(row["ts_ns"] for row in events)


def test_the_name_is_that_at_the_time_of_the_event() -> None:
    code = """
import os
for name in ("before", "after"):
    open("/proc/self/comm", "w").write(name)
    os.chdir("/")
"""
    _, *events, _ = _rows("syscalls:sys_enter_chdir", "--json", "--", *python(code))
    assert [row["comm"] for row in events] == ["before", "after"]


@pytest.mark.needs("kernel symbols")
def test_a_stack_leads_from_the_system_call_without_the_tracers_own_functions() -> None:
    code = "import os\nos.sched_yield()"
    _, *events, _ = _rows("sched:sched_switch", "--stack", "--json", "--", *python(code))
    with_stack = [row for row in events if row["stack"]]
    assert with_stack
    assert all(row["stack"][0] in ("__schedule", "schedule", "preempt_schedule_irq") for row in with_stack)


def test_a_filter_is_the_kernels() -> None:
    code = "import os\nfor path in ('/', '/nosuch', '/'):\n try: os.chdir(path)\n except OSError: pass"
    _, *events, _ = _rows("syscalls:sys_exit_chdir", "--filter", "ret < 0", "--json", "--", *python(code))
    assert [row["fields"]["ret"] for row in events] == [-2]


def test_a_bad_filter_is_shown_with_the_kernels_caret() -> None:
    done = kdiag("stream", "syscalls:sys_enter_chdir", "--filter", "nosuch == 1", "--", "true")
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert lines[-3:-1] == ["the kernel says: Field not found", "  nosuch == 1"]
    assert lines[-1].strip() == "^"


def test_the_stream_of_everything_has_nothing_of_kdiag_itself() -> None:
    running = start_kdiag("stream", "raw_syscalls:sys_enter", "sched:sched_switch", "--json", "--for", "0.5")
    out, _ = running.communicate(timeout=120)
    _, *events, _ = [json.loads(line) for line in out.splitlines()]
    assert events
    assert not [row for row in events if row.get("pid") == running.pid]


@pytest.mark.skipif(not has("kprobe_events"), reason="the kernel has no kprobes")
def test_what_a_function_returns_is_named() -> None:
    code = "import os\ntry: os.open('/nosuch/file', 0)\nexcept OSError: pass"
    probes = ("kprobe:do_sys_openat2 file=+0($arg2):ustring", "kretprobe:do_sys_openat2")
    _, *events, _ = _rows(*probes, "--json", "--", *python(code))
    called = [row for row in events if row["fields"].get("file") == "/nosuch/file"]
    assert len(called) == 1
    returned = events[events.index(called[0]) + 1]
    assert (returned["event"], returned["shown"]["ret"]) == ("do_sys_openat2", "-2 ENOENT")


@pytest.mark.skipif(not has("kprobe_events"), reason="the kernel has no kprobes")
def test_the_return_of_a_function_that_gives_nothing_back_can_be_watched() -> None:
    code = "import os\nos.chdir('/')"
    _, *events, _ = _rows("kretprobe:set_fs_pwd", "--json", "--", *python(code))
    assert len(events) == 1


def test_fields_of_an_event_are_listed() -> None:
    done = kdiag("probes", "sched:sched_switch", "-v", "--json")
    (probe,) = json.loads(done.stdout)["probes"]
    assert probe["probe"] == "tracepoint:sched:sched_switch"
    assert {"type": "pid_t", "name": "prev_pid"} in probe["arguments"]


def test_every_kind_is_there_or_says_why_not() -> None:
    document = json.loads(kdiag("probes", "--json").stdout)
    rows = {row["kind"]: row for row in document["kinds"]}
    assert rows["tracepoint"]["number"] > 100
    assert bool(rows["kprobe"]["why_not"]) is not tracefs().exists("kprobe_events")


def test_a_user_without_rights_is_told_what_is_missing_and_what_works() -> None:
    python3 = nobody_python()
    if python3 is None or os.geteuid() != 0:
        pytest.skip("no Python here can be run by an ordinary user")
    import subprocess

    for words in (["stream", "sched:sched_switch"], ["count", "sched:sched_switch"], ["probes"], ["cleanup"]):
        done = subprocess.run(
            as_nobody(python3, "-m", "kdiag", *words),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (3, "")
        lines = done.stderr.splitlines()
        assert lines[0].startswith("kdiag: tracing is not possible here: ")
        assert "root" in lines[1]
        assert lines[-1].startswith("what works without it: `kdiag snapshot`")
