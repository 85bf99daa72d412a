"""What kernels let root do, found out by hand: by trial writes in the lab, and on the machine underneath.

``True`` works, ``False`` is refused, ``None`` is not tried because something that it needs does not work (or
because it is not needed). What a table does not name may be either way.
"""

import os
import platform
from typing import Dict, Mapping, Optional

__all__ = ["known_here"]

_ALL_KNOW = (
    "procfs psi proc_stack proc_wchan proc_syscall tracefs instances events syscall_events event_stack "
    "raw_buffers event_fork uprobes probe_profile bpf perf_events"
)


def _known(yes: str, no: str = "", not_tried: str = "") -> Dict[str, Optional[bool]]:
    table: Dict[str, Optional[bool]] = dict.fromkeys(_ALL_KNOW.split(), True)
    table.update(dict.fromkeys(yes.split(), True))
    table.update(dict.fromkeys(no.split(), False))
    table.update(dict.fromkeys(not_tried.split()))
    return table


#: Stock kernels of Debian, by the lab's name for them.
_DEBIAN: Mapping[str, Dict[str, Optional[bool]]] = {
    "5.10": _known(
        "kallsyms function function_graph_top kprobes kretprobes",
        # x86 kernels before 5.16 cannot tell it where they unwind by ORC.
        "proc_wchan function_graph_instance funcgraph_retval funcgraph_args fprobes eprobes hist synthetic",
    ),
    "6.1": _known(
        "kallsyms function function_graph_top kprobes kretprobes eprobes hist synthetic",
        "function_graph_instance funcgraph_retval funcgraph_args fprobes",
    ),
    "6.12": _known(
        "kallsyms function function_graph_instance kprobes kretprobes fprobes eprobes hist synthetic",
        "funcgraph_retval funcgraph_args",
        "function_graph_top",
    ),
    "7.2": _known(
        "kallsyms function function_graph_instance kprobes kretprobes fprobes eprobes hist synthetic"
        " funcgraph_args",
        "funcgraph_retval",
        "function_graph_top",
    ),
}
#: A kernel under lockdown=integrity with a policy of its own, without most of the tracers.
_LOCKED = _known(
    "kallsyms",
    "function function_graph_instance function_graph_top kprobes kretprobes fprobes eprobes hist synthetic",
    "funcgraph_retval funcgraph_args",
)
#: All of tracefs, and what only it gives.
_OF_TRACEFS = (
    "instances events syscall_events event_stack raw_buffers event_fork function function_graph_instance "
    "function_graph_top funcgraph_retval funcgraph_args kprobes kretprobes fprobes eprobes uprobes hist "
    "synthetic probe_profile"
).split()
#: What a way of booting changes.
_VARIANTS: Mapping[str, Dict[str, Optional[bool]]] = {
    "default": {},
    "lockdown-integrity": {},
    "lockdown-confidentiality": {"tracefs": False, **dict.fromkeys(_OF_TRACEFS)},
    "psi0": {"psi": False},
    "kptr-restrict": {"kallsyms": False},
    "cgroup-v1": {},
    "cgroup-v2": {},
}


def known_here() -> Optional[Dict[str, Optional[bool]]]:
    """Return what is known of the kernel underneath, ``None`` if nothing is."""
    kernel, variant = os.environ.get("KDIAG_LAB_KERNEL"), os.environ.get("KDIAG_LAB_VARIANT", "default")
    if kernel is not None and kernel in _DEBIAN and variant in _VARIANTS:
        return {**_DEBIAN[kernel], **_VARIANTS[variant]}
    if kernel is None and platform.release().startswith("6.18.") and "-fc-" in platform.release():
        return _LOCKED
    return None
