"""What tests of tracing share: the state of tracefs as a whole, and kdiag run as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence

from kdiag.ftrace.tracefs import NoTraceFs, TraceFs, find_tracefs
from kdiag.host.live import LiveHost
from kdiag.tools.family import TOOLS

__all__ = ["KDIAG", "PROJECT", "kdiag", "start_kdiag", "state_of", "tracefs"]

PROJECT = Path(__file__).parents[2]
KDIAG = (sys.executable, "-m", "kdiag")
#: Files of the top level that nobody changes who only looks; pipes, buffers and counters are left out.
_FILES = (
    "buffer_percent buffer_size_kb current_tracer dynamic_events events/enable function_profile_enabled "
    "kprobe_events max_graph_depth set_event set_event_notrace_pid set_event_pid set_ftrace_filter "
    "set_ftrace_notrace set_ftrace_notrace_pid set_ftrace_pid set_graph_function set_graph_notrace "
    "synthetic_events trace_clock trace_options tracing_cpumask tracing_on tracing_thresh uprobe_events"
).split()
_made: List[TraceFs] = []


def tracefs() -> TraceFs:
    """Return tracefs, found (or mounted) once for all tests."""
    if not _made:
        _made.append(find_tracefs(LiveHost()))
    return _made[0]


def state_of(top: TraceFs) -> Dict[str, Any]:
    """Return what sessions must leave as it was: each file's content, options, instances.

    Lines that are others' sessions' (on a machine that others trace on, too) are left out.
    """
    state: Dict[str, Any] = {}
    for name in _FILES:
        if top.exists(name):
            try:
                state[name] = top.read(name)
            except Exception as error:  # noqa: BLE001 - refused before and after alike
                state[name] = type(error).__name__
    # A buffer that was never used has its size from the first use on, in whole pages.
    size = state["buffer_size_kb"].replace(")", "").split()[-1]
    state["buffer_size_kb"] = int(size) // 8
    for name in top.list("options"):
        state[f"options/{name}"] = top.read(f"options/{name}")
    for name in ("dynamic_events", "uprobe_events", "kprobe_events", "synthetic_events"):
        lines = state.get(name, "").split("\n")
        state[name] = [line for line in lines if "kdiag_" not in line]
    return state


def left_by(top: TraceFs, pid: int) -> List[str]:
    """Return what a process left: instances, and definitions of its group."""
    found = [name for name in top.list("instances") if name.startswith(f"kdiag-{pid}-")]
    for name in ("dynamic_events", "uprobe_events", "kprobe_events", "synthetic_events"):
        if top.exists(name):
            found += [line for line in top.read(name).split("\n") if f"kdiag_{pid}_" in line]
    return found


def kdiag(*words: str, timeout: float = 120, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run kdiag to its end. In the lab, which mechanism answered which tool is kept for docs/kernels.md."""
    done = subprocess.run(
        [*KDIAG, *words], capture_output=True, text=True, timeout=timeout, check=False, cwd=PROJECT, **more
    )
    folder = os.environ.get("KDIAG_LAB_OUT")
    if folder and words and words[0] in TOOLS and "--backend" in words:
        line = {
            "tool": words[0],
            "mechanism": words[words.index("--backend") + 1],
            "answered": done.returncode == 0,
        }
        with open(os.path.join(folder, "tools.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return done


def start_kdiag(*words: str, **more: Any) -> "subprocess.Popen[str]":
    """Start kdiag, with its output in pipes."""
    pipes: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen([*KDIAG, *words], text=True, cwd=PROJECT, **pipes)


def python(code: str) -> Sequence[str]:
    """Return a command that runs a piece of Python, without what its start would add."""
    return (sys.executable, "-I", "-S", "-c", code)


def has(*names: str) -> bool:
    """Tell whether tracefs has these files."""
    try:
        return os.geteuid() == 0 and all(tracefs().exists(name) for name in names)
    except NoTraceFs:  # what needs it is skipped with the reason (tests/live/capabilities.py)
        return False
