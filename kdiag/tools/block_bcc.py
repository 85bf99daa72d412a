"""The programs of :mod:`kdiag.tools.block_programs` in C, for BCC: the same maps, the same rules."""

from typing import Dict, List, Tuple

from kdiag.ebpf.bcc.client import BccHook
from kdiag.ebpf.bcc.collector import BccPlan
from kdiag.ebpf.btf import Btf
from kdiag.tools.block_programs import MADE, MERGED, REQUESTS, RequestLayout

__all__ = ["bcc_plan"]

#: A tool's text follows, with ``static inline void done(...)``.
_TEXT = """
struct request_entry {
    u64 queued_ns; u64 issued_ns; u64 done_bytes; u64 watched; u64 tgid_tid; char comm[16];
};
BPF_HASH(requests, u64, struct request_entry, REQUESTS_ENTRIES);

static inline u64 word_at(u64 address) {
    u64 word = 0;
    bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
    return word;
}

static inline u32 half_word_at(u64 address) {
    u32 word = 0;
    bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
    return word;
}

/* The name of a request's disk; zeros where it has none, as a command to a controller. */
static inline void copy_disk_name(u64 request, char *name) {
    u64 disk = word_at(request + OFF_DISK);
#ifdef OFF_DISK_OF_QUEUE
    if (disk)
        disk = word_at(disk + OFF_DISK_OF_QUEUE);
#endif
    if (disk)
        bpf_probe_read_kernel(name, DISK_BYTES, (void *)(disk + OFF_DISK_NAME));
}

static inline void keep(u64 request, u64 issued) {
    struct request_entry entry = {};
    entry.queued_ns = bpf_ktime_get_ns();
    if (issued)
        entry.issued_ns = entry.queued_ns;
#ifdef FOLLOW
    entry.watched = watched();
#else
    entry.watched = 1;  /* kdiag's own requests are counted as well */
#endif
    entry.tgid_tid = bpf_get_current_pid_tgid();
    bpf_get_current_comm(&entry.comm, sizeof(entry.comm));
    if (requests.update(&request, &entry))
        lost(NO_ROOM_IN_MAP);
}

/* It was issued, and its address is used again. */
static inline void count_unseen_end(struct request_entry *known) {
    if (known->watched)
        lost(LOST_EVENTS);
}

/* Every request begins here, so what is known of its address is of one before. */
int on_made(struct bpf_raw_tracepoint_args *ctx) {
    u64 request = ctx->args[0];
    struct request_entry *known = requests.lookup(&request);
    if (known && known->issued_ns)
        count_unseen_end(known);
    keep(request, 0);
    return 0;
}

int on_insert(struct bpf_raw_tracepoint_args *ctx) {
    u64 request = ctx->args[INSERT_REQUEST];
    struct request_entry *known = requests.lookup(&request);
    if (known && known->issued_ns)
        return 0;  /* it comes back from the driver */
    keep(request, 0);
    return 0;
}

int on_merge(struct bpf_raw_tracepoint_args *ctx) {
    u64 request = ctx->args[0];
    requests.delete(&request);
    return 0;
}

int on_issue(struct bpf_raw_tracepoint_args *ctx) {
    u64 request = ctx->args[ISSUE_REQUEST];
    struct request_entry *known = requests.lookup(&request);
    u64 start_ns = word_at(request + OFF_START_TIME);
    if (known && known->issued_ns && start_ns > known->issued_ns) {
        count_unseen_end(known);
        known = 0;
    }
    /* An entry that is older than the request is of one before it at the same address. */
    if (!IS_MADE_TOLD && known && !known->issued_ns && start_ns > known->queued_ns)
        known = 0;
    if (known)
        known->issued_ns = bpf_ktime_get_ns();
    else
        keep(request, 1);
    return 0;
}
"""
_COMPLETE = """
int on_complete(struct bpf_raw_tracepoint_args *ctx) {
    u64 request = ctx->args[COMPLETE_REQUEST];
    u32 error = ctx->args[COMPLETE_REQUEST + 1], now_bytes = ctx->args[COMPLETE_REQUEST + 2];
    struct request_entry *known = requests.lookup(&request), entry;
    u32 left_bytes = half_word_at(request + OFF_DATA_LEN);
    if (!known)
        return 0;  /* it was issued before this began */
    known->done_bytes += now_bytes;
    if (now_bytes < left_bytes)
        return 0;  /* more is to come */
    entry = *known;
    requests.delete(&request);
    /* What was never issued only asked for a flush. */
    if (entry.issued_ns && entry.watched)
        done(ctx, request, &entry, error, left_bytes);
    return 0;
}
"""


def bcc_plan(
    btf: Btf,
    layout: RequestLayout,
    *,
    from_queue: bool,
    follow: bool,
    text: str,
    flags: Dict[str, int],
    events: bool = False,
) -> BccPlan:
    """Return the plan of a tool, whose ``text`` has ``done()`` for a request that has completed.

    ``from_queue`` asks for the time at which it was queued, and for who queued it.
    """
    values: Dict[str, int] = {
        "REQUESTS_ENTRIES": REQUESTS.max_entries,
        "OFF_DATA_LEN": layout.data_len,
        "OFF_SECTOR": layout.sector,
        "OFF_CMD_FLAGS": layout.cmd_flags,
        "OFF_DISK": layout.disk_path[0],
        "OFF_DISK_NAME": layout.disk_name,
        "INSERT_REQUEST": _index(btf, "block_rq_insert"),
        "IS_MADE_TOLD": int(MADE in layout.events),
        "OFF_START_TIME": layout.start_time_ns,
        "ISSUE_REQUEST": _index(btf, "block_rq_issue"),
        "COMPLETE_REQUEST": _index(btf, "block_rq_complete"),
        **flags,
    }
    if len(layout.disk_path) > 1:
        values["OFF_DISK_OF_QUEUE"] = layout.disk_path[1]
    hooks: List[Tuple[str, str]] = [("block_rq_issue", "on_issue"), ("block_rq_complete", "on_complete")]
    if from_queue or follow:
        hooks.append((MADE, "on_made") if MADE in layout.events else ("block_rq_insert", "on_insert"))
        if MERGED in layout.events:
            hooks.append((MERGED, "on_merge"))
    return BccPlan(
        _TEXT + text + _COMPLETE,
        tuple(BccHook("raw_tracepoint", event, function) for event, function in hooks),
        events,
        tuple(f"-D{name}={value}" for name, value in values.items()),
    )


def _index(btf: Btf, event: str) -> int:
    return btf.tracepoint_arguments(event).index("request")
