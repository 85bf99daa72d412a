"""A folder that looks like tracefs: files hold what is written, instances get their files when made."""

import os
import shutil
from pathlib import Path
from typing import Mapping, Optional

from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.memory import MemoryHost

INSTANCE = {
    "tracing_on": "1\n",
    "free_buffer": "",
    "trace_clock": "[local] global mono\n",
    "buffer_size_kb": "1410\n",
    "buffer_percent": "50\n",
    "current_tracer": "nop\n",
    "set_event_pid": "",
    "set_event_notrace_pid": "",
    "options/disable_on_free": "0\n",
    "options/overwrite": "1\n",
    "options/stacktrace": "1\n",
    "options/event-fork": "0\n",
    "events/enable": "0\n",
    "events/sched/sched_switch/enable": "0\n",
    "events/sched/sched_switch/filter": "none\n",
    "events/sched/sched_switch/trigger": "# Available triggers:\n# traceon traceoff stacktrace hist\n",
    "per_cpu/cpu0/stats": "entries: 0\noverrun: 0\ncommit overrun: 0\ndropped events: 0\nread events: 0\n",
}
TOP = {
    **INSTANCE,
    "README": "tracing mini-HOWTO:\n p[:[<group>/][<event>]] <place> [<args>]\n",
    "available_tracers": "function_graph function nop\n",
    "available_filter_functions": "vfs_read\nvfs_readv\nvfs_write\nscan\nscan\nscan [ext4]\n_raw_spin_lock\n",
    "set_graph_function": "#### all functions enabled ####\n",
    "set_ftrace_filter": "#### all functions enabled ####\n",
    "tracing_thresh": "0\n",
    "dynamic_events": "",
    "kprobe_events": "",
    "uprobe_events": "",
    "synthetic_events": "",
    "trace_pipe": "",
    "function_profile_enabled": "0\n",
    "error_log": "",
}


class FolderTraceFs(TraceFs):
    """tracefs in a folder."""

    def mkdir(self, name: str) -> None:
        super().mkdir(name)
        fill(Path(self.open_path(name)), INSTANCE)

    def rmdir(self, name: str) -> None:
        shutil.rmtree(self.open_path(name))

    def below(self, name: str) -> TraceFs:
        return FolderTraceFs(self.open_path(name), shown=self.path(name), top=self.top)


def fill(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def tracefs_in(folder: Path, **changed: str) -> FolderTraceFs:
    """Make one."""
    fill(folder, {**TOP, **changed})
    os.makedirs(folder / "instances", exist_ok=True)
    return FolderTraceFs(str(folder), shown="/T")


class LiveMemoryHost(MemoryHost):
    """Files of a dict, but for a host that says that it is live, whose other files lie below a folder."""

    kind = "live"

    def __init__(
        self, files: Mapping[str, bytes], root: str = "/", links: Optional[Mapping[str, str]] = None
    ) -> None:
        super().__init__([{**FILES, **files}], links=links)
        self.root = root


FILES = {
    "/proc/1000/stat": b"1000 (kdiag) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242" + b" 0" * 30 + b"\n",
    "/proc/1000/task/1000/comm": b"kdiag\n",
    "/proc/meminfo": b"MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n",
    "/sys/devices/system/cpu/online": b"0-1\n",
    "/proc/sys/kernel/random/boot_id": b"this-boot\n",
    "/proc/filesystems": b"nodev\ttracefs\n",
}
