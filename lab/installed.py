"""Where the lab keeps what it fetched: kernels unpacked side by side, and nothing outside this one folder.

CACHE/kernels/6.1/boot/vmlinuz-RELEASE, config-RELEASE, System.map-RELEASE
                  lib/modules/RELEASE/...
                  installed.json          written last: a folder without it is not used
"""

import json
import os
from typing import NamedTuple, Optional

from lab.kernels import KERNELS

__all__ = ["Installed", "cache_folder", "find_installed", "kernel_folder"]


class Installed(NamedTuple):
    """A kernel that can be booted. `version` is that of the Debian package."""

    name: str
    release: str
    version: str
    folder: str

    @property
    def vmlinuz(self) -> str:
        """The compressed image, in a folder whose lib/modules virtme-ng finds by itself."""
        return os.path.join(self.folder, "boot", f"vmlinuz-{self.release}")


def cache_folder() -> str:
    """$KDIAG_LAB_CACHE, or kdiag-lab in the user's cache folder."""
    chosen = os.environ.get("KDIAG_LAB_CACHE")
    if chosen:
        return os.path.abspath(chosen)
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(caches, "kdiag-lab")


def kernel_folder(name: str) -> str:
    """Where the kernel `name` of the table is, or will be."""
    return os.path.join(cache_folder(), "kernels", KERNELS[name].name)


def find_installed(name: str) -> Optional[Installed]:
    """The kernel `name` if it was fetched completely."""
    folder = kernel_folder(name)
    try:
        with open(os.path.join(folder, "installed.json"), encoding="utf-8") as file:
            told = json.load(file)
    except FileNotFoundError:
        return None
    installed = Installed(name, told["release"], told["version"], folder)
    return installed if os.path.exists(installed.vmlinuz) else None
