"""Samples of threads, from files in memory."""

from typing import Any, Dict, Mapping, Union

from kdiag.doctor.mechanism import Choice
from kdiag.host.memory import MemoryHost
from kdiag.host.target import Target
from kdiag.path.acquire.sampling import Place, Sampler, Samples, acquire
from kdiag.path.request import Request

Files = Dict[str, Union[bytes, int]]
READ = b"0 0x3 0x7f00 0x1000 0x0 0x0 0x0 0x7fffa8cb7758 0x7f41ad1c62ad\n"
OUTSIDE = b"-1 0x7fffa8cb7758 0x7f41ad1c62ad\n"
STACK = b"[<0>] pipe_read+0x2a5/0x480\n[<0>] vfs_read+0x1/0x2\n[<0>] do_syscall_64+0x71/0x280\n"
_STAT = b" (cat) %s 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100" + b" 0" * 30 + b"\n"


def thread(tid: int, state: str = "S", pid: int = 7, **files: Union[bytes, int]) -> Files:
    given: Dict[str, Union[bytes, int]] = {"syscall": READ, "wchan": b"pipe_read", "stack": STACK, **files}
    made: Files = {f"/proc/{tid}/{name}": data for name, data in given.items()}
    made[f"/proc/{tid}/stat"] = made[f"/proc/{pid}/task/{tid}/stat"] = b"%d" % tid + _STAT % state.encode()
    return made


def sampled(*moments: Mapping[str, Any], with_stack: bool = True, **asked: Any) -> Samples:
    host = MemoryHost(list(moments))
    request = Request(machine="x86_64", **asked)
    target = Target(host, (7,), "process 7")
    capture = acquire(
        request, host, None, target, Choice("samples" if with_stack else "wchan"), lambda: False
    )
    assert list(capture.calls) == []
    assert capture.outcome is not None
    samples = capture.outcome.samples
    assert isinstance(samples, Samples)
    return samples


def test_the_same_place_in_every_look_is_one_row_with_its_count() -> None:
    files = {**thread(7), **thread(8)}
    assert sampled(files, files, files).places == (
        Place("read", "S", "pipe_read", ("pipe_read", "vfs_read"), 6, 2),
    )


def test_threads_at_several_places_are_listed_most_frequent_first() -> None:
    first = {**thread(7), **thread(8, "D", wchan=b"folio_wait", stack=b"[<0>] folio_wait+0x1/0x2\n")}
    second = {**thread(7), **thread(8)}
    found = sampled(first, second)
    assert [(place.state, place.wchan, place.samples, place.threads) for place in found.places] == [
        ("S", "pipe_read", 3, 2),
        ("D", "folio_wait", 1, 1),
    ]
    assert (found.rounds, found.samples, found.threads) == (2, 4, 2)


def test_a_thread_on_a_cpu_shows_nothing_but_that() -> None:
    (place,) = sampled(thread(7, "R", syscall=b"running\n", wchan=b"0", stack=b"")).places
    assert place == Place("running", "R", None, (), 1, 1)


def test_outside_of_a_call_the_call_is_empty_and_not_number_0() -> None:
    assert sampled(thread(7, syscall=OUTSIDE)).places[0].syscall == ""
    kernel_thread = b"0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n"
    assert sampled(thread(7, syscall=kernel_thread)).places[0].syscall == ""


def test_a_32_bit_task_has_numbers_of_another_table() -> None:
    call = b"3 0x3 0x7f00 0x1000 0x0 0x0 0x0 0xffb0cd20 0xf7f1c549\n"
    assert sampled(thread(7, syscall=call)).places[0].syscall == "32-bit call 3"


def test_only_calls_that_were_asked_for_are_places_and_the_others_are_counted() -> None:
    found = sampled({**thread(7), **thread(8, syscall=OUTSIDE)}, syscalls=("read",))
    assert [place.syscall for place in found.places] == ["read"]
    assert found.elsewhere == 1


def test_a_function_is_found_on_stacks() -> None:
    found = sampled({**thread(7), **thread(8, stack=b"[<0>] do_wait+0x1/0x2\n")}, function="vfs_read")
    assert [place.threads for place in found.places] == [1] and found.elsewhere == 1


def test_without_permission_state_is_left_and_what_is_hidden_is_said() -> None:
    found = sampled(thread(7, syscall=13, wchan=b"0", stack=1), syscalls=("read",))
    assert found.places == (Place("?", "S", None, (), 1, 1),)
    assert [each.partition(":")[0] for each in found.hidden] == ["stack", "syscall", "wchan"]
    assert "EPERM" in found.hidden[0] and "EACCES" in found.hidden[1]


def test_a_thread_that_ends_in_between_is_no_sample() -> None:
    gone: Files = {**thread(7), **thread(8)}
    gone["/proc/8/stat"] = gone["/proc/8/syscall"] = 3
    found = sampled(gone)
    assert (found.samples, found.threads) == (1, 1)


class MovesOn(MemoryHost):
    """A thread that is in another call whenever its call is read."""

    count = 0

    def reading(self, path: str, may_block: bool = False) -> Any:
        found = super().reading(path, may_block)
        if path.endswith("/syscall"):
            self.count += 1
            return found._replace(data=found.data.replace(b"0x1000", b"0x%d" % self.count))
        return found


def test_what_does_not_belong_together_is_counted_apart() -> None:
    host = MovesOn([thread(7)])
    sampler = Sampler(host, Request(machine="x86_64"))
    sampler.look([7])
    found = sampler.result(1.0)
    assert (found.samples, found.moved, found.places) == (1, 1, ())


def test_the_stack_is_not_read_where_only_wchan_is_wanted() -> None:
    files = thread(7)
    del files["/proc/7/stack"]
    found = sampled(files, with_stack=False)
    assert found.places == (Place("read", "S", "pipe_read", (), 1, 1),) and found.hidden == ()


def test_that_nothing_was_found_is_explained() -> None:
    host = MemoryHost([thread(7, syscall=OUTSIDE)])
    capture = acquire(
        Request(syscalls=("fsync",), machine="x86_64"),
        host,
        None,
        Target(host, (7,), "x"),
        Choice("samples"),
        lambda: False,
    )
    assert list(capture.calls) == []
    assert capture.outcome is not None
    assert capture.outcome.nothing == (
        "in 1 looks no thread was found in fsync: its calls may be shorter than the time between looks"
    )
    assert capture.outcome.ended == "the recording ended"


def test_kdiag_itself_is_not_among_all_processes() -> None:
    host = MemoryHost(
        [{**thread(7), **thread(9, pid=9)}], facts=MemoryHost([{}]).facts._replace(reader_pid=9)
    )
    capture = acquire(Request(everything=True), host, None, None, Choice("samples"), lambda: False)
    assert list(capture.calls) == []
    assert capture.outcome is not None and capture.outcome.samples.threads == 1
