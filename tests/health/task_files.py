"""Files of made-up tasks as Linux 6.18 prints them, and the quiet host with some files changed."""

from typing import Dict, List, Mapping, Optional, Union

from kdiag.health.finding import Finding
from kdiag.health.snapshot import Snapshot
from kdiag.health.table import FilledTable, TableOptions
from kdiag.host.base import FileSystemSize
from kdiag.host.memory import Content
from tests.health.overlay import Files, quiet_overlay, snapshot_of

__all__ = ["changed", "found", "in_d", "stat", "status", "table"]


def stat(pid: int, comm: str = "worker", state: str = "S", ppid: int = 1, threads: int = 1) -> bytes:
    """Return ``/proc/PID/stat``."""
    return (
        f"{pid} ({comm}) {state} {ppid} {pid} {pid} 0 -1 4194304 106 0 0 0 3 1 0 0 20 0 {threads} 0 9000 "
        "2400256 253 18446744073709551615 1 1 0 0 0 0 0 6 0 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    ).encode()


def status(name: str = "worker", uid: int = 0, switches: int = 7) -> bytes:
    """Return the part of ``/proc/PID/status`` that matters."""
    return (
        f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        f"voluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t1\n"
    ).encode()


def in_d(pid: int, comm: str = "worker", *, wchan: str = "io_schedule", switches: int = 7) -> Files:
    """Return the files of a process in state D."""
    return {
        f"/proc/{pid}/stat": stat(pid, comm, "D"),
        f"/proc/{pid}/status": status(comm, switches=switches),
        f"/proc/{pid}/wchan": wchan.encode(),
        f"/proc/{pid}/stack": f"[<0>] {wchan}+0x46/0x80\n[<0>] nfs_wait+0x1e/0x90 [nfs]\n".encode(),
        f"/proc/{pid}/syscall": b"0 0x3 0x0 0x0 0x0 0x0 0x0 0x7fffa8cb7758 0x7f41ad1c62ad\n",
    }


def changed(
    both: Optional[Mapping[str, Content]] = None,
    *,
    first: Optional[Mapping[str, Content]] = None,
    last: Optional[Mapping[str, Content]] = None,
    sizes: Optional[Dict[str, int]] = None,
    file_systems: Optional[Dict[str, Union[FileSystemSize, int]]] = None,
    once: bool = False,
    options: Optional[TableOptions] = None,
) -> Snapshot:
    """Look at the quiet host after some changes to it."""
    overlay = quiet_overlay()
    for files, changes in zip(overlay.moments, (first, last)):
        files.update(both or {})
        files.update(changes or {})
    overlay.sizes.update(sizes or {})
    overlay.file_systems.update(file_systems or {})
    return snapshot_of(overlay._replace(moments=overlay.moments[1:]) if once else overlay, options=options)


def found(snapshot: Snapshot, check_id: str) -> List[Finding]:
    """Return the findings of one check."""
    return [finding for finding in snapshot.findings if finding.id == check_id]


def table(snapshot: Snapshot, section: str) -> FilledTable:
    """Return one table."""
    (filled,) = [each for each in snapshot.tables if each.section == section]
    return filled
