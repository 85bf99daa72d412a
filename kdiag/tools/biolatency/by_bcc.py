"""biolatency by programs that BCC compiles: those of :mod:`kdiag.tools.biolatency.by_bpf`, in C."""

from typing import Iterator, List

from kdiag.ebpf.bcc.collector import BccPlan
from kdiag.tools.bcc_run import BccRequest, collecting_by_bcc
from kdiag.tools.biolatency.maps import SLOTS, TIMES, summaries
from kdiag.tools.biolatency.times import by_disk
from kdiag.tools.block_bcc import bcc_plan
from kdiag.tools.block_disks import check_disk
from kdiag.tools.block_operations import letters
from kdiag.tools.block_programs import DISK_BYTES, RequestLayout, request_layout
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_TEXT = """
struct times_key { char disk[DISK_BYTES]; u64 cmd_flags; };
struct times { u64 ios; u64 errors; u64 bytes; u64 total_ns; u64 max_ns; u64 slots[SLOTS]; };
BPF_TABLE("percpu_hash", struct times_key, struct times, times, TIMES_ENTRIES);
/* What an entry is made of: too big for the stack of a program beside all else. */
BPF_PERCPU_ARRAY(nothing, struct times, 1);

static inline void done(void *ctx, u64 request, struct request_entry *entry, u32 error, u32 left_bytes) {
    u64 time_ns = bpf_ktime_get_ns() - (FROM_QUEUE ? entry->queued_ns : entry->issued_ns);
    struct times_key key = {};
    struct times *sums, *empty;
    u32 zero = 0;
    u64 slot;
    if (BY_DISK)
        copy_disk_name(request, key.disk);
    if (BY_OPERATION)
        key.cmd_flags = half_word_at(request + OFF_CMD_FLAGS) & CMD_FLAGS_MASK;
    sums = times.lookup(&key);
    if (!sums) {
        empty = nothing.lookup(&zero);
        if (!empty)
            return;
        times.insert(&key, empty);
        sums = times.lookup(&key);
    }
    if (!sums) {
        lost(NO_ROOM_IN_MAP);
        return;
    }
    sums->ios++;
    if (error)
        sums->errors++;
    sums->bytes += entry->done_bytes;
    sums->total_ns += time_ns;
    if (time_ns > sums->max_ns)
        sums->max_ns = time_ns;
    slot = slot_of(time_ns / 1000);
    /* The compiler would check a copy of it, and the verifier not see the bound. */
    asm volatile("" : "+r"(slot));
    if (slot >= SLOTS)
        slot = SLOTS - 1;
    sums->slots[slot]++;
}
"""


def run(run: Run) -> Iterator[Item]:
    """Take the times until it ends."""
    check_disk(run.host, run.options["disk"])
    layouts: List[RequestLayout] = []

    def plan_of(request: BccRequest) -> BccPlan:
        layouts.append(request_layout(request.btf))
        return _plan(run, request, layouts[-1])

    with collecting_by_bcc(run, plan_of) as collector:
        yield from summaries(run, collector, lambda flags: letters(layouts[-1].operations, flags))


def _plan(run: Run, request: BccRequest, layout: RequestLayout) -> BccPlan:
    from_queue = request.options["queue"]
    flags = {
        "BY_DISK": int(by_disk(request.options)),
        "BY_OPERATION": int(request.options["operations"]),
        "CMD_FLAGS_MASK": layout.operations.mask,
        "DISK_BYTES": DISK_BYTES,
        "FROM_QUEUE": int(from_queue),
        "SLOTS": SLOTS,
        "TIMES_ENTRIES": TIMES.max_entries,
    }
    return bcc_plan(
        request.btf, layout, from_queue=from_queue, follow=run.target is not None, text=_TEXT, flags=flags
    )
