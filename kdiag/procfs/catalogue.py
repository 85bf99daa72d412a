"""Every kernel file that kdiag reads: what parses it, since which kernel, who may read it, what it costs.

Nothing outside this table is read: some files below /proc act when they are read (``vm/stat_refresh``),
mount something (``fs/binfmt_misc`` under autofs) or wait for a lock (``cmdline`` of a stuck task).
"""

from typing import Tuple

from kdiag.records import NamedTuple

__all__ = ["COSTS", "SOURCES", "Source"]

#: Cost classes, cheapest first.
COSTS = {
    "small": "a few microseconds",
    "cpus": "grows with the number of CPUs",
    "devices": "grows with the number of disks, interfaces, mounts or nodes",
    "tasks": "read once for every process",
    "few": "read only for tasks that a finding or a table speaks of",
    "dear": "hundreds of microseconds or more: read only when asked for",
    "waits": "may wait for somebody else's lock: read by a child that can be killed",
}

_OLD = "<= 2.6.32"


class Source(NamedTuple):
    """One file, or one family of files (a path with ``*`` or ``[pid]``).

    ``field`` is where a sample keeps the record: a field of its own, ``integers`` or ``words`` (by path), or
    empty for families. ``when``: ``both`` samples (it holds counters), the ``last`` one, or only when one
    of ``sections`` is ``asked`` for.
    """

    field: str
    path: str
    parser: str
    since: str = _OLD
    who: str = "anyone"
    cost: str = "small"
    when: str = "last"
    sections: Tuple[str, ...] = ()


def _integers(folder: str, *names: str, since: str = _OLD) -> Tuple[Source, ...]:
    return tuple(Source("integers", f"{folder}/{name}", "sysctl:parse_integer", since) for name in names)


def _of_cgroup(parser: str, *names: str, since: str = _OLD) -> Tuple[Source, ...]:
    return tuple(Source("", f"/sys/fs/cgroup/**/{name}", parser, since, when="both") for name in names)


def _of_tasks(
    name: str, parser: str, who: str = "anyone", cost: str = "few", when: str = "last"
) -> Tuple[Source, ...]:
    """Return the rows of a file that processes have, and threads that are looked into."""
    of_thread = "few" if cost == "tasks" else cost
    return (
        Source("", f"/proc/[pid]/{name}", parser, who=who, cost=cost, when=when),
        Source("", f"/proc/[pid]/task/[tid]/{name}", parser, who=who, cost=of_thread, when=when),
    )


SOURCES: Tuple[Source, ...] = (
    Source("uptime", "/proc/uptime", "uptime:parse_uptime", when="both"),
    Source("words", "/proc/sys/kernel/random/boot_id", "word:parse_word", when="both"),
    Source("stat", "/proc/stat", "stat:parse_stat", cost="cpus", when="both"),
    Source("loadavg", "/proc/loadavg", "loadavg:parse_loadavg", when="both"),
    Source("meminfo", "/proc/meminfo", "meminfo:parse_meminfo", when="both"),
    Source("vmstat", "/proc/vmstat", "vmstat:parse_vmstat", when="both"),
    Source("pressure_cpu", "/proc/pressure/cpu", "pressure:parse_pressure", "4.20", when="both"),
    Source("pressure_memory", "/proc/pressure/memory", "pressure:parse_pressure", "4.20", when="both"),
    Source("pressure_io", "/proc/pressure/io", "pressure:parse_pressure", "4.20", when="both"),
    Source("pressure_irq", "/proc/pressure/irq", "pressure:parse_pressure", "6.1", when="both"),
    Source("schedstat", "/proc/schedstat", "schedstat:parse_schedstat", cost="cpus", when="both"),
    Source("softirqs", "/proc/softirqs", "softirqs:parse_softirqs", cost="cpus", when="both"),
    Source("diskstats", "/proc/diskstats", "diskstats:parse_diskstats", cost="devices", when="both"),
    Source("net_dev", "/proc/net/dev", "net_dev:parse_net_dev", cost="devices", when="both"),
    Source("net_snmp", "/proc/net/snmp", "net_snmp:parse_net_snmp", when="both"),
    Source("net_netstat", "/proc/net/netstat", "net_snmp:parse_net_snmp", when="both"),
    Source(
        "net_softnet_stat",
        "/proc/net/softnet_stat",
        "net_softnet_stat:parse_net_softnet_stat",
        cost="cpus",
        when="both",
    ),
    Source("net_sockstat", "/proc/net/sockstat", "net_sockstat:parse_net_sockstat"),
    Source("swaps", "/proc/swaps", "swaps:parse_swaps"),
    Source("buddyinfo", "/proc/buddyinfo", "buddyinfo:parse_buddyinfo"),
    Source("zoneinfo", "/proc/zoneinfo", "zoneinfo:parse_zoneinfo", cost="cpus"),
    Source("mountinfo", "/proc/self/mountinfo", "mountinfo:parse_mountinfo", cost="devices"),
    Source("mdstat", "/proc/mdstat", "mdstat:parse_mdstat", cost="devices"),
    Source("fstab", "/etc/fstab", "fstab:parse_fstab", "-"),
    Source("os_release", "/etc/os-release", "os_release:parse_os_release", "-"),
    Source("version", "/proc/version", "version:parse_version"),
    Source("cmdline", "/proc/cmdline", "cmdline:parse_cmdline"),
    Source("words", "/proc/sys/kernel/hostname", "word:parse_word"),
    Source("words", "/proc/sys/kernel/osrelease", "word:parse_word"),
    Source("words", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "word:parse_word"),
    Source("cpu_online", "/sys/devices/system/cpu/online", "cpulist:parse_cpulist", when="both"),
    Source(
        "transparent_hugepage",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "bracketed_choice:parse_bracketed_choice",
        "2.6.38",
    ),
    Source("self_cgroup", "/proc/self/cgroup", "pid_cgroup:parse_pid_cgroup", when="both"),
    Source("self_status", "/proc/self/status", "pid_status:parse_pid_status"),
    Source("file_nr", "/proc/sys/fs/file-nr", "sysctl:parse_file_nr"),
    Source("inode_state", "/proc/sys/fs/inode-state", "sysctl:parse_inode_state"),
    Source("dentry_state", "/proc/sys/fs/dentry-state", "sysctl:parse_dentry_state"),
    Source("tcp_mem", "/proc/sys/net/ipv4/tcp_mem", "sysctl:parse_tcp_mem"),
    *_integers("/proc/sys/fs", "aio-nr", "aio-max-nr", "nr_open"),
    *_integers("/proc/sys/fs", "dentry-negative", since="<= 6.18"),
    *_integers(
        "/proc/sys/vm",
        "swappiness",
        "overcommit_memory",
        "overcommit_ratio",
        "min_free_kbytes",
        "vfs_cache_pressure",
        "zone_reclaim_mode",
        "panic_on_oom",
        "max_map_count",
        "dirty_ratio",
        "dirty_bytes",
        "dirty_background_ratio",
        "dirty_background_bytes",
        "dirty_expire_centisecs",
        "dirty_writeback_centisecs",
    ),
    *_integers("/proc/sys/vm", "overcommit_kbytes", since="3.14"),
    *_integers("/proc/sys/vm", "watermark_scale_factor", since="4.6"),
    *_integers("/proc/sys/kernel", "pid_max", "threads-max", "tainted", "hung_task_timeout_secs"),
    Source(
        "integers",
        "/proc/sys/kernel/hung_task_detect_count",
        "sysctl:parse_integer",
        "<= 6.18",
        when="both",
    ),
    *_integers("/proc/sys/net/ipv4", "tcp_max_orphans"),
    *_integers("/proc/sys/net/core", "somaxconn", "netdev_max_backlog", "netdev_budget"),
    *_integers("/proc/sys/net/netfilter", "nf_conntrack_count", "nf_conntrack_max"),
    Source(
        "interrupts",
        "/proc/interrupts",
        "interrupts:parse_interrupts",
        cost="dear",
        when="asked",
        sections=("interrupts",),
    ),
    Source(
        "slabinfo",
        "/proc/slabinfo",
        "slabinfo:parse_slabinfo",
        who="root",
        cost="dear",
        when="asked",
        sections=("slab",),
    ),
    # Families
    Source("", "/etc/passwd", "user_name", "-", cost="few"),
    *_of_tasks("stat", "pid_stat:parse_pid_stat", cost="tasks", when="both"),
    *_of_tasks("schedstat", "pid_schedstat:parse_pid_schedstat", cost="tasks", when="both"),
    Source("", "/proc/[pid]/fd", "st_size", cost="tasks", when="last"),
    *_of_tasks("status", "pid_status:parse_pid_status", when="both"),
    Source("", "/proc/[pid]/limits", "pid_limits:parse_pid_limits", who="anyone", cost="few"),
    *_of_tasks("wchan", "pid_wchan:parse_pid_wchan", who="owner"),
    *_of_tasks("stack", "pid_stack:parse_pid_stack", who="root", cost="waits"),
    *_of_tasks("syscall", "pid_syscall:parse_pid_syscall", who="owner", cost="waits"),
    *_of_tasks("cgroup", "pid_cgroup:parse_pid_cgroup"),
    Source("", "/sys/fs/cgroup/**/freezer.state", "word:parse_word", cost="few"),
    Source("", "/sys/devices/system/node/node*/meminfo", "meminfo:parse_meminfo", cost="devices"),
    Source(
        "", "/sys/devices/system/node/node*/numastat", "numastat:parse_numastat", cost="devices", when="both"
    ),
    Source("", "/sys/block/*/queue/rotational", "sysctl:parse_integer", cost="devices"),
    Source("", "/sys/devices/system/edac/mc/mc*/ce_count", "sysctl:parse_integer", cost="devices"),
    Source("", "/sys/devices/system/edac/mc/mc*/ue_count", "sysctl:parse_integer", cost="devices"),
    # Of the control groups that kdiag runs in: v2, then v1
    *_of_cgroup("word:parse_word", "cgroup.controllers", since="4.5"),
    *_of_cgroup("cgroup_cpu:parse_cpu_max", "cpu.max", since="4.15"),
    *_of_cgroup("cgroup_cpu:parse_cgroup_cpu_stat", "cpu.stat", since="3.2 (v2: 4.15)"),
    *_of_cgroup("cgroup_limit:parse_cgroup_limit", "memory.max", "memory.high", since="4.5"),
    *_of_cgroup("cgroup_limit:parse_cgroup_limit", "memory.swap.max", since="4.5"),
    *_of_cgroup("sysctl:parse_integer", "memory.current", "memory.swap.current", since="4.5"),
    *_of_cgroup("cgroup_memory:parse_cgroup_memory_stat", "memory.stat"),
    *_of_cgroup("cgroup_memory:parse_memory_events", "memory.events", since="4.5"),
    *_of_cgroup("cgroup_limit:parse_cgroup_limit", "pids.max", since="4.3"),
    *_of_cgroup("sysctl:parse_integer", "pids.current", since="4.3"),
    *_of_cgroup("pressure:parse_pressure", "cpu.pressure", "memory.pressure", "io.pressure", since="4.20"),
    *_of_cgroup("word:parse_word", "notify_on_release"),
    *_of_cgroup("cgroup_limit:parse_cgroup_limit", "cpu.cfs_quota_us", since="3.2"),
    *_of_cgroup("sysctl:parse_integer", "cpu.cfs_period_us", since="3.2"),
    *_of_cgroup("cgroup_limit:parse_cgroup_limit", "memory.limit_in_bytes"),
    *_of_cgroup("sysctl:parse_integer", "memory.usage_in_bytes"),
    *_of_cgroup("cgroup_memory:parse_memory_events", "memory.oom_control", since="<= 3.2"),
)
