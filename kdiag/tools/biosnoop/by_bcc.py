"""biosnoop by programs that BCC compiles: those of :mod:`kdiag.tools.biosnoop.by_bpf`, in C."""

from typing import Iterator, List

from kdiag.ebpf.bcc.collector import BccPlan
from kdiag.tools.bcc_run import BccRequest, collecting_by_bcc
from kdiag.tools.biosnoop.events import rows
from kdiag.tools.biosnoop.rows import leave_out_queue
from kdiag.tools.block_bcc import bcc_plan
from kdiag.tools.block_disks import check_disk
from kdiag.tools.block_programs import DISK_BYTES, RequestLayout, request_layout
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_TEXT = """
struct request_event {
    u64 done_ns; u64 sector; u32 cmd_flags; u32 error; char disk[DISK_BYTES];
    struct request_entry entry;
};

static inline void done(void *ctx, u64 request, struct request_entry *entry, u32 error, u32 left_bytes) {
    struct request_event event = {};
    event.done_ns = bpf_ktime_get_ns();
    /* Its sector moved on with the parts that were done before. */
    event.sector = word_at(request + OFF_SECTOR) - ((entry->done_bytes - left_bytes) >> 9);
    event.cmd_flags = half_word_at(request + OFF_CMD_FLAGS);
    event.error = error;
    copy_disk_name(request, event.disk);
    event.entry = *entry;
    send(ctx, &event, sizeof(event));
}
"""


def run(run: Run) -> Iterator[Item]:
    """Show requests until it ends."""
    check_disk(run.host, run.options["disk"])
    layouts: List[RequestLayout] = []
    leave_out_queue(run)

    def plan_of(request: BccRequest) -> BccPlan:
        layouts.append(request_layout(request.btf))
        return bcc_plan(
            request.btf,
            layouts[-1],
            from_queue=True,
            follow=run.target is not None,
            text=_TEXT,
            flags={"DISK_BYTES": DISK_BYTES},
            events=True,
        )

    with collecting_by_bcc(run, plan_of) as collector:
        yield from rows(run, collector, layouts[-1])
