"""Which programs follow requests on kernels that differ, and where they find the request."""

from typing import Any, Dict, List, Optional, Tuple

import pytest

from kdiag.ebpf.assembler import R6, R7, Assembler, pack
from kdiag.ebpf.btf import NoBtf
from kdiag.ebpf.pieces import Watch
from kdiag.tools.block_programs import completion, request_layout, request_programs

#: Fields as (struct, field): offset, and arguments of events, as kernels had them.
_COMMON = {
    ("request", "__data_len"): 40,
    ("request", "__sector"): 48,
    ("request", "cmd_flags"): 24,
    ("request", "start_time_ns"): 104,
    ("gendisk", "disk_name"): 12,
}
_OLD_FIELDS = {**_COMMON, ("request", "rq_disk"): 88}
_NEW_FIELDS = {**_COMMON, ("request", "q"): 0, ("request_queue", "disk"): 104}
_OLD_EVENTS = {
    "block_rq_insert": ("request_queue", "request"),
    "block_rq_issue": ("request_queue", "request"),
    "block_rq_complete": ("request", "int", "unsigned int"),
}
_NEW_EVENTS = {
    "block_rq_insert": ("request",),
    "block_rq_issue": ("request",),
    "block_rq_merge": ("request",),
    "block_io_start": ("request",),
    "block_rq_complete": ("request", "blk_status_t", "unsigned int"),
}


class FakeBtf:
    """Answers as :class:`kdiag.ebpf.btf.Btf` of a kernel would."""

    def __init__(self, fields: Dict[Tuple[str, str], int], events: Dict[str, Tuple[str, ...]]) -> None:
        self._fields = fields
        self._events = events

    def offset(self, struct_name: str, name: str) -> int:
        if (struct_name, name) not in self._fields:
            raise NoBtf(f"this kernel's struct {struct_name} has no {name}")
        return self._fields[struct_name, name]

    def tracepoint_id(self, event: str) -> int:
        if event not in self._events:
            raise NoBtf(f"this kernel's BTF has no type btf_trace_{event}")
        return 1

    def tracepoint_arguments(self, event: str) -> Tuple[str, ...]:
        return self._events[event]

    def enum_value(self, name: str) -> Optional[int]:
        return {"REQ_OP_WRITE": 1, "__REQ_SYNC": 11}.get(name)


OLD: Any = FakeBtf(_OLD_FIELDS, _OLD_EVENTS)
NEW: Any = FakeBtf(_NEW_FIELDS, _NEW_EVENTS)


def attached(btf: Any, *, follow: bool, from_queue: bool) -> List[str]:
    layout = request_layout(btf)
    watch = Watch(follow, 1)
    return [each.attach_to for each in request_programs(btf, layout, watch, from_queue=from_queue)]


@pytest.mark.parametrize(("follow", "from_queue"), [(True, False), (False, True), (True, True)])
def test_requests_are_known_from_the_earliest_event_that_there_is(follow: bool, from_queue: bool) -> None:
    made = attached(NEW, follow=follow, from_queue=from_queue)
    assert made == ["block_io_start", "block_rq_merge", "block_rq_issue"]
    assert attached(OLD, follow=follow, from_queue=from_queue) == ["block_rq_insert", "block_rq_issue"]


def test_only_the_issue_is_needed_where_nobody_asks_for_more() -> None:
    assert attached(NEW, follow=False, from_queue=False) == ["block_rq_issue"]
    assert attached(OLD, follow=False, from_queue=False) == ["block_rq_issue"]


@pytest.mark.parametrize(("btf", "offset"), [(OLD, 8), (NEW, 0)])
def test_the_request_is_the_argument_that_is_one(btf: Any, offset: int) -> None:
    a = Assembler()
    a.load(R7, R6, offset)
    wanted = pack(a.code().instructions[0])
    layout = request_layout(btf)
    [program] = request_programs(btf, layout, Watch(False, 1), from_queue=False)
    assert wanted in [pack(each) for each in program.code.instructions]


def test_disks_and_errors_are_where_the_kernel_has_them() -> None:
    old, new = request_layout(OLD), request_layout(NEW)
    assert (old.disk_path, old.error_is_errno) == ((88,), True)
    assert (new.disk_path, new.error_is_errno) == ((0, 104), False)


def test_a_field_that_is_gone_is_no_wrong_number() -> None:
    fields = {key: value for key, value in _NEW_FIELDS.items() if key[1] != "__data_len"}
    gone: Any = FakeBtf(fields, _NEW_EVENTS)
    with pytest.raises(NoBtf, match="__data_len"):
        request_layout(gone)


def test_the_end_is_seen_at_the_completion() -> None:
    program = completion(NEW, request_layout(NEW), from_queue=False, tail=lambda a: None)
    assert (program.kind, program.attach_to) == ("tp_btf", "block_rq_complete")
