"""Gather with psutil the fields that kdiag reads, as far as psutil has them.

It has neither pressure nor run delay, nor counters of vmstat, snmp, softnet or control groups.
"""

import psutil  # type: ignore[import-untyped]

ATTRIBUTES = [
    "cpu_num",
    "cpu_times",
    "create_time",
    "memory_info",
    "name",
    "num_fds",
    "num_threads",
    "pid",
    "ppid",
    "status",
]

psutil.boot_time()
psutil.cpu_count()
psutil.cpu_stats()
psutil.cpu_times()
psutil.cpu_times(percpu=True)
psutil.disk_io_counters(perdisk=True)
psutil.getloadavg()
psutil.net_io_counters(pernic=True)
psutil.swap_memory()
psutil.virtual_memory()
for partition in psutil.disk_partitions():
    psutil.disk_usage(partition.mountpoint)
for process in psutil.process_iter(ATTRIBUTES):
    process.info  # noqa: B018 - what process_iter gathered
