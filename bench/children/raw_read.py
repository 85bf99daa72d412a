"""Read kernel files and do nothing with them: the least that any tool in Python can cost.

``raw_read.py READ,... SIZE,... PATH...``: of each process, the files READ to their end and the sizes of SIZE;
then each PATH. To their end, because one read(2) that is not empty cannot tell that it was the last.
"""

import os
import sys


def read(path: str) -> None:
    """Read a file to its end; a process that is gone is passed over."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        while os.read(descriptor, 16384):
            pass
    except OSError:
        pass
    finally:
        os.close(descriptor)


reads, sizes = (word.split(",") if word else [] for word in sys.argv[1:3])
for pid in os.listdir("/proc"):
    if pid.isdigit():
        for name in reads:
            read(f"/proc/{pid}/{name}")
        for name in sizes:
            try:
                os.stat(f"/proc/{pid}/{name}")
            except OSError:
                continue
for path in sys.argv[3:]:
    read(path)
