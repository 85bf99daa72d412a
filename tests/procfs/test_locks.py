import pytest

from kdiag.procfs.locks import Lock, parse_locks
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

LOCKS_6_18 = b"""\
1: LEASE  ACTIVE    READ 6248 fe:00:2146501 0 EOF
2: OFDLCK ADVISORY  READ -1 fe:00:2146500 0 EOF
3: FLOCK  ADVISORY  READ 6248 fe:00:2146499 0 EOF
3: -> FLOCK  ADVISORY  WRITE 6251 fe:00:2146499 0 EOF
4: POSIX  ADVISORY  WRITE 6248 fe:00:2146498 5 14
4: -> POSIX  ADVISORY  WRITE 6249 fe:00:2146498 0 EOF
4:  -> POSIX  ADVISORY  WRITE 6250 fe:00:2146498 0 EOF
"""
WANTED = "N: [->] KIND MODE ACCESS PID MAJOR:MINOR:INODE START END|EOF"


def only(line: bytes) -> Lock:
    parsed = parse_locks(line + b"\n")
    assert parsed.problems == ()
    (lock,) = parsed.locks
    return lock


def test_kinds_ranges_and_devices_are_read() -> None:
    parsed = parse_locks(LOCKS_6_18)
    assert parsed.problems == ()
    assert parsed.locks[4] == Lock(
        number=4,
        waiting=False,
        kind="POSIX",
        mode="ADVISORY",
        access="WRITE",
        pid=6248,
        major=254,
        minor=0,
        inode=2146498,
        start=5,
        end=14,
        extra=(),
    )
    assert [lock.kind for lock in parsed.locks[:3]] == ["LEASE", "OFDLCK", "FLOCK"]


def test_requests_wait_for_the_lock_of_their_number_at_any_depth() -> None:
    waiting = [(lock.number, lock.pid) for lock in parse_locks(LOCKS_6_18).locks if lock.waiting]
    assert waiting == [(3, 6251), (4, 6249), (4, 6250)]


def test_a_lock_of_an_open_file_description_has_no_process_and_one_to_the_end_no_end() -> None:
    lock = parse_locks(LOCKS_6_18).locks[1]
    assert (lock.pid, lock.start, lock.end) == (-1, 0, None)


def test_an_unknown_file_is_none() -> None:
    lock = only(b"1: POSIX  *NOINODE* WRITE 7 <none>:0 0 EOF")
    assert (lock.mode, lock.major, lock.minor, lock.inode) == ("*NOINODE*", None, None, None)


def test_mandatory_locks_and_words_of_other_kernels_survive() -> None:
    assert only(b"1: FLOCK  MANDATORY RW    7 08:01:9 0 EOF").access == "RW"  # older kernels
    assert only(b"1: UNKNOWN UNKNOWN  UNLCK 7 08:01:9 0 EOF").kind == "UNKNOWN"
    assert only(b"1: POSIX  ADVISORY  READ 7 08:01:9 0 EOF nfs 3").extra == ("nfs", "3")


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**63 - 1, 2**64, -1])
def test_numbers_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    lock = only(b"1: POSIX  ADVISORY  READ 7 08:01:%d %d %d" % (value, value, value))
    assert (lock.inode, lock.start, lock.end) == (value, value, value)


def test_an_inode_that_an_older_kernel_prints_as_negative_is_kept() -> None:
    assert only(b"1: POSIX  ADVISORY  READ 7 00:2d:-9223372036854773000 0 EOF").inode == -9223372036854773000


@pytest.mark.parametrize(
    "line",
    [
        b"1 POSIX  ADVISORY  READ 7 08:01:9 0 EOF",
        b"1: POSIX  ADVISORY  READ 7 08:01:9 0",
        b"1: POSIX  ADVISORY  READ seven 08:01:9 0 EOF",
        b"1: POSIX  ADVISORY  READ 7 08:01 0 EOF",
        b"1: POSIX  ADVISORY  READ 7 zz:01:9 0 EOF",
        b"1: POSIX  ADVISORY  READ 7 08:01:9 0 end",
        b"1: ->",
        b"",
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_locks(LOCKS_6_18 + line + b"\n" + LOCKS_6_18)
    assert len(parsed.locks) == 14
    assert parsed.problems == (Problem("/proc/locks", 8, line.decode(), WANTED),)


def test_no_locks_are_no_problem() -> None:
    assert parse_locks(b"") == ((), ())


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_locks, LOCKS_6_18)
    holds_for_any_bytes(parse_locks, LOCKS_6_18)
