"""System calls of a known workload, summed up from the pages of the kernel underneath."""

import os
import subprocess
import sys
from typing import List, Tuple

import pytest

from kdiag.ftrace.session import Session
from kdiag.ftrace.syscall_sums import SyscallSums
from kdiag.ftrace.syscall_sums_numpy import FastSyscallSums
from kdiag.ftrace.tracefs import find_tracefs
from kdiag.host.live import LiveHost
from kdiag.kernel.syscalls import number_of

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs")

CALLS, THREADS = 500, 4
#: Threads ask who their group is (nothing else does), half of the time of a process that is not there.
WORK = f"""
import os, sys, threading
sys.stdin.read(1)
def work():
    for number in range({CALLS}):
        try:
            os.getsid(0 if number % 2 else 0x3FFFFFFF)
        except ProcessLookupError:
            pass
threads = [threading.Thread(target=work) for _ in range({THREADS})]
for each in threads: each.start()
for each in threads: each.join()
"""


def test_every_call_of_every_thread_is_counted_with_its_error() -> None:
    host = LiveHost("/")
    pages: List[Tuple[int, bytes]] = []
    with Session(find_tracefs(host), host, buffer_kib_per_cpu=4096, deadline_s=60) as session:
        session.enable("raw_syscalls", "sys_enter")
        session.enable("raw_syscalls", "sys_exit")
        with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE) as work:
            session.follow([work.pid])
            session.start()
            work.communicate(b"x")
        session.stop()
        pages += session.pages(0)
        formats = {each.full_name: each for each in session.formats.values()}
        layout = session.page_layout
    number = number_of("getsid", os.uname().machine)
    assert number is not None
    found = []
    for kind in (SyscallSums, FastSyscallSums):
        sums = kind(formats["raw_syscalls:sys_enter"], formats["raw_syscalls:sys_exit"], layout)
        for cpu, data in pages:
            sums.add(cpu, data)
        sums.end_round()
        sums.finish()
        found.append(sums)
        getsid = sums.sums[number]
        assert (getsid.calls, getsid.timed) == (CALLS * THREADS, CALLS * THREADS)
        assert getsid.errors == {3: CALLS * THREADS // 2}
        assert 0 < getsid.min_ns <= getsid.at_share(0.5) <= getsid.at_share(0.99) <= getsid.max_ns
        assert (sums.lost, sums.dropped, sums.unreadable) == (0, 0, [])
    pure, fast = found
    assert pure.sums.keys() == fast.sums.keys()
    assert all(each.same_as(fast.sums[key]) for key, each in pure.sums.items())
