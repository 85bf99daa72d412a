"""The tools that answer one question each, by name: where each has its :class:`~kdiag.tools.tool.Tool`.

To add one: a package in this folder with ``TOOL`` in it, and a line here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Dict, Tuple

if TYPE_CHECKING:
    from kdiag.tools.tool import Tool

__all__ = ["TOOLS", "tool_named"]

#: Name -> (module, what it tells, in a line).
TOOLS: Dict[str, Tuple[str, str]] = {
    "biosnoop": ("kdiag.tools.biosnoop", "show each request to a disk: whose, what, how long"),
    "biolatency": ("kdiag.tools.biolatency", "show how long requests to disks take, as histograms"),
    "execsnoop": ("kdiag.tools.execsnoop", "show which programs are executed, with their arguments"),
    "exitsnoop": ("kdiag.tools.exitsnoop", "show which processes end, how, and how long they lived"),
    "funclatency": ("kdiag.tools.funclatency", "show how long calls of functions take, as histograms"),
    "funccount": ("kdiag.tools.funccount", "count calls of functions, of the kernel or of programs"),
    "offcpu": ("kdiag.tools.offcpu", "show where threads sleep, and how long, by stacks"),
    "opensnoop": ("kdiag.tools.opensnoop", "show which files are opened or looked for"),
    "profile": ("kdiag.tools.profile", "show where CPUs spend their time, by stacks"),
    "runqlat": ("kdiag.tools.runqlat", "show how long tasks that could run wait for a CPU"),
    "statsnoop": ("kdiag.tools.statsnoop", "show which files are asked about: stat, access, readlink"),
    "syscalls": ("kdiag.tools.syscalls", "show each system call: whose, what, how long"),
    "syscount": ("kdiag.tools.syscount", "count system calls: how often, how long, how many fail"),
}


def tool_named(name: str) -> "Tool":
    """Return a tool; raises :exc:`KeyError`."""
    tool: Tool = import_module(TOOLS[name][0]).TOOL
    return tool
