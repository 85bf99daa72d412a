"""A folder on a disk, for what tmpfs cannot do: real requests, reads from a disk, dentries that are kept.

The lab names a scratch disk whose content may be lost (``KDIAG_LAB_DISK``); an ext4 is made on it. Elsewhere
a folder is taken that lies on a disk anyway, and files in it are removed again.
"""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import List, NamedTuple, Optional, Union

__all__ = ["Scratch", "give_back", "lab_disk", "scratch"]

_PROJECT = Path(__file__).parents[2]


class Scratch(NamedTuple):
    """A folder for files of a test, and the disk below it as /proc/diskstats names it."""

    folder: str
    disk: str


_given: List[str] = []


def lab_disk() -> Optional[str]:
    """Return the scratch disk that the lab names, if it does and may be used."""
    path = os.environ.get("KDIAG_LAB_DISK", "")
    return path if path and os.path.exists(path) and os.geteuid() == 0 else None


@cache
def scratch() -> Union[Scratch, str]:
    """Return the folder, or why there is none; it is given back with :func:`give_back`."""
    device = lab_disk()
    if device is not None:
        return _on_lab_disk(device)
    for folder in ("/var/tmp", str(_PROJECT)):
        name = disk_of(os.stat(folder).st_dev)
        if name is not None and os.access(folder, os.W_OK):
            own = tempfile.mkdtemp(prefix="kdiag-live-", dir=folder)
            _given.append(own)
            return Scratch(own, name)
    return "no folder here lies on a disk, and KDIAG_LAB_DISK names none to write to"


def _on_lab_disk(device: str) -> Union[Scratch, str]:
    folder = tempfile.mkdtemp(prefix="kdiag-live-")
    try:
        # Everything is laid out at once, so that nothing is written later on in the background.
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        for command in (["mkfs.ext4", "-q", "-F", "-E", lazy, device], ["mount", device, folder]):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.CalledProcessError) as error:
        os.rmdir(folder)
        return f"no ext4 on {device}: {getattr(error, 'stderr', None) or error}"
    _given.append(folder)
    return Scratch(folder, os.path.basename(os.path.realpath(device)))


def give_back() -> None:
    """Take away what was made."""
    while _given:
        folder = _given.pop()
        if os.path.ismount(folder):
            subprocess.run(["umount", folder], check=True, timeout=300)
            os.rmdir(folder)
        else:
            shutil.rmtree(folder)


def disk_of(device: int) -> Optional[str]:
    """Return the whole disk that a device number belongs to, as /proc/diskstats names it."""
    place = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    if not os.path.exists(place):
        return None
    real = os.path.realpath(place)
    if os.path.exists(f"{real}/partition"):
        real = os.path.dirname(real)
    return os.path.basename(real)
