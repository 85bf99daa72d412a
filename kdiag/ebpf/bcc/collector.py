"""A program of BCC's as a collector, like one of kdiag's own: only who loads and attaches it differs."""

import ctypes
import struct
from typing import Dict, Optional, Tuple

from kdiag.ebpf.bcc.client import BccHook, BccProcess, BccProgram, load
from kdiag.ebpf.bcc.prelude import FOLLOWING_HOOKS, PRELUDE, flags
from kdiag.ebpf.btf import Btf
from kdiag.ebpf.collector import Collector, possible_cpus
from kdiag.ebpf.maps import KINDS, Map, MapSpec, create_map
from kdiag.ebpf.pieces import EVENTS, Watch
from kdiag.ebpf.syscall import BpfError, bpf, raise_memlock
from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["BccCollector", "BccPlan", "collect", "map_spec"]

_OBJ_GET_INFO_BY_FD = 15
_KIND_OF_NUMBER = {number: kind for kind, number in KINDS.items()}


class BccPlan(NamedTuple):
    """A tool's program, without the prelude: text, hooks, whether it sends events, its own flags."""

    text: str
    hooks: Tuple[BccHook, ...]
    events: bool = False
    cflags: Tuple[str, ...] = ()


class BccCollector(Collector):
    """Maps and events of a program that BCC loaded; ``process`` tells version, Python and seconds."""

    def __init__(self, maps: Dict[str, Map], process: BccProcess) -> None:
        super().__init__(maps, process.attach, process.detach)
        self.process = process

    def close(self) -> None:
        """End the program and its process, and free everything."""
        super().close()
        self.process.close()


def collect(
    host: Host, plan: BccPlan, watch: Watch, btf: Optional[Btf], *, headers: str = "stub"
) -> BccCollector:
    """Compile and load the prelude and a program; nothing is attached yet.

    Following needs BTF. Raises :exc:`~kdiag.ebpf.bcc.failures.BccError`,
    :exc:`~kdiag.ebpf.syscall.BpfError`, :exc:`~kdiag.ebpf.btf.NoBtf` and
    :exc:`~kdiag.host.base.ReadError`; nothing is left then.
    """
    cpus = possible_cpus(host)
    pid_offset = None
    if watch.follow:
        if btf is None:
            raise ValueError("following needs BTF")
        pid_offset = btf.offset("task_struct", "pid")
    cflags = flags(
        watch.own_tgid,
        follow_pid_offset=pid_offset,
        events=_event_buffer(cpus) if plan.events else None,
    )
    # At the end of a thread, what is to be told of it comes before it is forgotten.
    hooks = (*plan.hooks, *(FOLLOWING_HOOKS if watch.follow else ()))
    process = load(BccProgram(PRELUDE + plan.text, (*cflags, *plan.cflags), hooks), headers=headers)
    maps: Dict[str, Map] = {}
    try:
        for name in list(process.maps):
            spec = map_spec(name, process.maps[name])
            maps[name] = Map(spec, process.maps.pop(name), cpus)
        return BccCollector(maps, process)
    except BaseException:
        process.close()
        for each in maps.values():
            each.close()
        raise


def map_spec(name: str, descriptor: int) -> MapSpec:
    """Return what a map is, as the kernel tells it (``struct bpf_map_info``); raises :exc:`BpfError`."""
    info = ctypes.create_string_buffer(20)
    attr = struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info))
    bpf(_OBJ_GET_INFO_BY_FD, attr, f"asking for the map {name}")
    number, _, key_bytes, value_bytes, entries = struct.unpack("=5I", info.raw)
    return MapSpec(name, _KIND_OF_NUMBER.get(number, f"type {number}"), key_bytes, value_bytes, entries)


def _event_buffer(cpus: int) -> str:
    """Return the kind of buffer that events go through: kernels before 5.8 have no ring buffer."""
    raise_memlock()
    try:
        create_map(EVENTS, cpus).close()
    except BpfError:
        return "perf_event_array"
    return EVENTS.kind
