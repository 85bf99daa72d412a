"""Programs of kdiag's own on the kernel underneath: counts, following, full maps, and what SIGKILL leaves."""

import os
import signal
import struct
import subprocess
import time
from typing import Iterator, List, Sequence

import pytest

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R6, R7, R10, Assembler
from kdiag.ebpf.btf import NoBtf, read_btf
from kdiag.ebpf.collector import Collector, load
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.pieces import LOSSES, Watch, following_programs
from kdiag.ebpf.program import ProgramSpec
from kdiag.ebpf.syscall import BpfError
from kdiag.host.live import LiveHost
from kdiag.host.target import Target
from kdiag.kernel.syscalls import number_of
from tests.live.traced import KDIAG, PROJECT, python

pytestmark = pytest.mark.needs("root", "kernel's PIDs")

_COUNTS = MapSpec("counts", "percpu_array", 4, 8, 512)
_PROG_GET_NEXT_ID, _MAP_GET_NEXT_ID = 11, 12
_CALLS = (
    "import os, threading\n"
    "def calls(number):\n    for _ in range(number): os.getppid()\n"
    "calls(400)\nthread = threading.Thread(target=calls, args=(300,)); thread.start(); thread.join()\n"
    "if not os.fork(): calls(200); os._exit(0)\nos.wait()"
)


def _counting(watch: Watch) -> ProgramSpec:
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, watch, "out", -4)
    a.load(R7, R6, 8)
    a.jump_if(R7, ">", 511, "out")
    a.store(R10, -4, R7, 4)
    pieces.lookup(a, "counts", -4)
    a.jump_if(R0, "==", 0, "out")
    pieces.add(a, R0, 0, 1)
    pieces.end(a)
    return ProgramSpec("count", "raw_tracepoint", "sys_enter", a.code(), "counts each call")


def _loaded(maps: Sequence[MapSpec], programs: Sequence[ProgramSpec], follow: bool = False) -> Collector:
    host = LiveHost()
    try:
        more = following_programs(read_btf(host)) if follow else ()
        return load(host, read_btf(host), maps, [*programs, *more])
    except (BpfError, NoBtf) as error:
        pytest.skip(str(error))


def test_calls_of_threads_and_children_are_counted_to_the_last_one() -> None:
    watch = Watch(True, os.getpid())
    with _loaded([*watch.maps, LOSSES, _COUNTS], [_counting(watch)], follow=True) as collector:
        collector.attach()
        target = Target.start(LiveHost(), python(_CALLS))
        collector.follow(target.tids)
        target.release()
        while not target.ended():
            time.sleep(0.01)
        collector.stop()
        counts = collector.maps["counts"].sums()
        assert collector.losses().total == 0
    assert counts[number_of("getppid", os.uname().machine) or 0] == 400 + 300 + 200


def test_entries_that_do_not_fit_are_counted() -> None:
    a = Assembler()
    pieces.begin(a)
    a.call("ktime_get_ns")
    a.store(R10, -8, R0)
    a.store(R10, -16, 1)
    pieces.update(a, "small", -8, -16)
    a.jump_if(R0, "==", 0, "out")
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, -20)
    pieces.end(a)
    program = ProgramSpec("fill", "raw_tracepoint", "sys_enter", a.code(), "fills a map")
    with _loaded([LOSSES, MapSpec("small", "hash", 8, 8, 4)], [program]) as collector:
        collector.attach()
        for _ in range(100):
            os.getppid()
        collector.stop()
        assert len(list(collector.maps["small"].items())) == 4
        assert collector.losses().map_entries >= 96


def test_what_the_verifier_refuses_is_told_in_its_words() -> None:
    a = Assembler()
    a.load(R7, R6, 0)  # r6 was never set
    pieces.end(a)
    program = ProgramSpec("bad", "raw_tracepoint", "sys_enter", a.code(), "reads what is not there")
    with pytest.raises(BpfError, match="the verifier said") as caught:
        load(LiveHost(), None, [], [program]).close()
    assert caught.value.step.startswith("loading the program bad")


def _ids(command: int) -> Iterator[int]:
    last = 0
    while True:
        attr = bytearray(struct.pack("=III", last, 0, 0))
        try:
            last = _next_id(command, attr)
        except BpfError:
            return
        yield last


def _next_id(command: int, attr: bytearray) -> int:
    # The kernel writes the answer behind the question, so the buffer has to be one's own.
    import ctypes

    buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    if libc.syscall(number, command, ctypes.byref(buffer), len(attr)) < 0:
        raise BpfError(ctypes.get_errno(), "walking")
    del buffer
    return int(struct.unpack_from("=I", attr, 4)[0])


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="bpf(2) has another number here")
def test_nothing_is_left_after_a_kill() -> None:
    def all_of() -> List[int]:
        return [*_ids(_PROG_GET_NEXT_ID), *(-each for each in _ids(_MAP_GET_NEXT_ID))]

    before = set(all_of())
    words = [*KDIAG, "syscount", "--backend", "bpf", "--for", "60"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT)
    assert running.stdout is not None and running.stderr is not None
    line = running.stdout.readline()
    if not line:
        pytest.skip(running.stderr.read().decode())
    during = set(all_of()) - before
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    running.stderr.close()
    end_s = time.monotonic() + 30
    while set(all_of()) & during and time.monotonic() < end_s:
        time.sleep(0.1)  # the kernel frees them after a grace period
    assert during
    assert not set(all_of()) & during
