from kdiag.procfs.pid_stack import StackFrame, parse_pid_stack
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

STOPPED_6_18 = b"""\
[<0>] do_signal_stop+0x16f/0x210
[<0>] get_signal+0x22d/0x840
[<0>] entry_SYSCALL_64_after_hwframe+0x76/0x7e
"""
# 4.4: addresses in full, a module, and an entry of all ones at the end.
WRITEBACK_4_4 = b"""\
[<ffffffff811c5a7e>] __lock_page+0x86/0xa0
[<ffffffffa02f1e47>] mpage_prepare_extent_to_map+0x2e7/0x310 [ext4]
[<ffffffffffffffff>] 0xffffffffffffffff
"""


def test_frames_are_read_innermost_first() -> None:
    parsed = parse_pid_stack(STOPPED_6_18)
    assert parsed.frames == (
        StackFrame("do_signal_stop", 0x16F, 0x210, None, None),
        StackFrame("get_signal", 0x22D, 0x840, None, None),
        StackFrame("entry_SYSCALL_64_after_hwframe", 0x76, 0x7E, None, None),
    )
    assert parsed.problems == ()


def test_an_older_kernels_addresses_and_modules_are_read_and_its_end_mark_is_no_frame() -> None:
    parsed = parse_pid_stack(WRITEBACK_4_4)
    assert parsed.frames == (
        StackFrame("__lock_page", 0x86, 0xA0, None, 0xFFFFFFFF811C5A7E),
        StackFrame("mpage_prepare_extent_to_map", 0x2E7, 0x310, "ext4", 0xFFFFFFFFA02F1E47),
    )
    assert parsed.problems == ()


def test_the_end_mark_of_a_32_bit_kernel_and_of_a_hidden_one_are_no_frames() -> None:
    assert parse_pid_stack(b"[<ffffffff>] 0xffffffff\n").frames == ()
    assert parse_pid_stack(b"[<0000000000000000>] 0xffffffffffffffff\n").frames == ()


def test_a_place_without_a_name_keeps_its_address() -> None:
    assert parse_pid_stack(b"[<0>] 0xffffffffc0a01234\n").frames == (
        StackFrame(None, None, None, None, 0xFFFFFFFFC0A01234),
    )


def test_compilers_suffixes_belong_to_the_symbol() -> None:
    (frame,) = parse_pid_stack(b"[<0>] rpc_wait.isra.0.cold+0x1/0x2 [sunrpc]\n").frames
    assert (frame.symbol, frame.module) == ("rpc_wait.isra.0.cold", "sunrpc")


def test_a_running_task_has_no_frames_and_no_problem() -> None:
    parsed = parse_pid_stack(b"")
    assert (parsed.frames, parsed.problems) == ((), ())


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_pid_stack(b"[<0>] a+0x1/0x2\n[<0>] b+1/2\n[<0>] c+0x1/0x2\n", "/proc/1/stack")
    assert [frame.symbol for frame in parsed.frames] == ["a", "c"]
    assert parsed.problems == (
        Problem("/proc/1/stack", 2, "[<0>] b+1/2", "[<address>] symbol+0xN/0xN [module]"),
    )


def test_it_survives_any_input() -> None:
    for sample in (STOPPED_6_18, WRITEBACK_4_4):
        holds_when_cut_anywhere(parse_pid_stack, sample)
    holds_for_any_bytes(parse_pid_stack, WRITEBACK_4_4)
