"""Devices of /sys of which there may be any number: NUMA nodes, disks, memory controllers."""

from kdiag.health.acquire.reader import Reader
from kdiag.health.sample import NumaNode

__all__ = ["read_disk_kinds", "read_memory_controllers", "read_numa_nodes"]

_NODES = "/sys/devices/system/node"
_CONTROLLERS = "/sys/devices/system/edac/mc"


def read_numa_nodes(reader: Reader) -> None:
    """Read memory and allocation counters of each NUMA node."""
    for name in reader.names(_NODES):
        if name.startswith("node") and name[4:].isdigit():
            reader.sample.numa_nodes.append(
                NumaNode(
                    int(name[4:]),
                    reader.parse(f"{_NODES}/{name}/meminfo", "meminfo:parse_meminfo"),
                    reader.parse(f"{_NODES}/{name}/numastat", "numastat:parse_numastat"),
                )
            )
    reader.sample.numa_nodes.sort(key=lambda node: node.node)


def read_disk_kinds(reader: Reader) -> None:
    """Read of each whole disk whether it is rotational; a partition or an odd driver does not say."""
    for folder in reader.names("/sys/block"):
        path = f"/sys/block/{folder}/queue/rotational"
        record = reader.parse(path, "sysctl:parse_integer")
        if record is not None and record.value is not None:
            # sysfs writes the / of a name such as cciss/c0d0 as !
            reader.sample.rotational[folder.replace("!", "/")] = bool(record.value)


def read_memory_controllers(reader: Reader) -> None:
    """Read how many memory errors each EDAC controller has seen; virtual machines have none."""
    for name in reader.names(_CONTROLLERS):
        if name.startswith("mc") and name[2:].isdigit():
            for count in ("ce_count", "ue_count"):
                path = f"{_CONTROLLERS}/{name}/{count}"
                record = reader.parse(path, "sysctl:parse_integer")
                if record is not None and record.value is not None:
                    reader.sample.integers[path] = record.value
