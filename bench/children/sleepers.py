"""Fork a number of processes that do nothing, and end them when standard input ends.

``sleepers.py COUNT`` writes ``ready`` when all of them are there. Whoever started this may die in any way:
its end of the pipe is closed then. Should this process be killed, the kernel kills its children.
"""

import ctypes
import gc
import os
import signal
import sys
from typing import List, NoReturn

_PR_SET_PDEATHSIG = 1


def _sleep(parent: int, null: int) -> NoReturn:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while os.getppid() == parent:  # false if it died before the kernel was told
            signal.pause()
    finally:
        os._exit(0)


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


def main(count: int) -> int:
    """Hold ``count`` children until standard input ends."""
    gc.disable()
    gc.freeze()  # so that the children share these pages
    parent, null = os.getpid(), os.open(os.devnull, os.O_RDWR)
    children: List[int] = []
    signal.signal(signal.SIGTERM, _end)
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                _sleep(parent, null)
            children.append(pid)
        os.write(1, b"ready\n")
        os.read(0, 1)
    except OSError as error:
        print(f"{len(children)} of {count} processes: {error}", file=sys.stderr)
        return 1
    finally:
        # None has been waited for yet, so each number is still that of our child.
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)
    return 0


sys.exit(main(int(sys.argv[1])))
