"""The kernels that the lab knows: which Debian suite has them, and what their packages are called.

Patch versions are never written here. They move with every security update, so the newest is looked up when
the kernel is fetched (`lab.packages.newest`).
"""

import re
from typing import Dict, NamedTuple, Optional, Tuple

__all__ = ["KERNELS", "Kernel"]


class Kernel(NamedTuple):
    """One series of Debian kernels.

    `image` matches the package that holds vmlinuz; its group `release` is what `uname -r` will say. Unsigned
    images are taken, since the signed ones need nothing more here and are published later. `more` are further
    packages of the same release: since 7.x Debian keeps the modules apart. Suites are asked from left to
    right, the first that has the kernel wins.
    """

    name: str
    suites: Tuple[str, ...]
    image: str
    more: Tuple[str, ...] = ()

    def release_of(self, package: str) -> Optional[str]:
        """What `uname -r` says in the kernel of `package`; None if it is no package of this series."""
        found = re.fullmatch(self.image, package)
        return found["release"] if found else None


KERNELS: Dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "5.10",
            ("bullseye-security", "bullseye"),
            r"linux-image-(?P<release>5\.10\.\d+-\d+-amd64)-unsigned",
        ),
        Kernel(
            "6.1",
            ("bookworm-security", "bookworm"),
            r"linux-image-(?P<release>6\.1\.\d+-\d+-amd64)-unsigned",
        ),
        Kernel(
            "6.12",
            ("bookworm-security", "bookworm-backports"),
            r"linux-image-(?P<release>6\.12\.\d+\+deb12-amd64)-unsigned",
        ),
        Kernel(
            "7.2",
            ("sid",),
            r"linux-binary-(?P<release>7\.2\.\d+\+deb\d+-amd64)",
            more=("linux-modules-{release}", "linux-base-{release}"),
        ),
    )
}
