"""Answers of tracing commands, made by hand, and their documents."""

import json

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.report.count import count_document
from kdiag.report.probes import kinds_document, probes_document
from kdiag.report.stream import StreamJson
from kdiag.tools.count import Count, CountRow
from kdiag.tools.probes import KindRow, ProbeRow

HOST = {"name": "vm\udcff", "kernel": "6.18", "kind": "live", "root": "/"}
CHOICE = Choice("stream", "every event is read", (PassedOver("hist", "no histograms", "another kernel"),))
OPENAT = "tracepoint:syscalls:sys_enter_openat"
PLAIN = Count((CountRow(OPENAT, None, 23),), "", CHOICE, 1.5, ended="the command ended")
BY_COMM = PLAIN._replace(
    by="comm",
    rows=(CountRow(OPENAT, "evil\x1b[31m", 20), CountRow(OPENAT, "cat", 3)),
    lost=7,
    missed=2,
    notes=("a note",),
)
BY_STACK = PLAIN._replace(
    by="stack", rows=(CountRow(OPENAT, ("do_sys_openat2", "do_syscall_64"), 23), CountRow(OPENAT, (), 1))
)
KINDS = [
    KindRow("tracepoint", "tracepoint:SYSTEM:EVENT", "a place", 2305),
    KindRow("uprobe", "uprobe:FILE:FUNCTION", "a function", None),
    KindRow("kprobe", "kprobe:FUNCTION", "a call", None, "no kprobe_events: it takes CONFIG_KPROBE_EVENTS"),
]
PROBES = [
    ProbeRow("tracepoint:sched:sched_switch", (("pid_t", "prev_pid"), ("char[16]", "prev_comm"))),
    ProbeRow("kprobe:scan", (), "several functions have that name", "ext4"),
]
COUNTS = tuple(
    count_document(each, "cat /etc/hostname", 1_700_000_000 * 10**9, HOST)
    for each in (PLAIN, BY_COMM, BY_STACK)
)
BEGUN = tuple(map(json.loads, StreamJson(HOST).begin("all processes", 1_700_000_000 * 10**9)))
LISTED = (kinds_document(KINDS, HOST), probes_document(PROBES, HOST))
