"""How the kernel was configured, from the first file that says it: ``/proc/config.gz``, ``/boot``, ``/lib``.

Traps: Debian has no ``/proc/config.gz`` but a file in ``/boot``; an image that was unpacked without its
packages has neither; and containers see the ``/boot`` of another system. So "cannot be read" is an answer of
its own, and a file whose name is not that of the running release does not count.
"""

import re
import zlib
from typing import Dict, Mapping, Optional, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["Config", "parse_config", "read_config"]

_PROC = "/proc/config.gz"
#: With the release in place of ``{}``.
_FILES = (
    "/boot/config-{}",
    "/lib/modules/{}/config",
    "/usr/lib/modules/{}/config",
    "/usr/lib/ostree-boot/config-{}",
    "/lib/modules/{}/build/.config",
)
_MAX_BYTES = 8 << 20
_ROW = re.compile(r"^(?:# )?(CONFIG_\w+)(?:=(.*)| is not set)$", re.MULTILINE)


class Config(NamedTuple):
    """``source`` is the file, ``None`` if none could be read, and then ``tried`` says why for each."""

    source: Optional[str]
    values: Mapping[str, str]
    tried: Tuple[str, ...] = ()

    def value(self, name: str) -> Optional[str]:
        """Return ``y``, ``m``, a number or text; ``n`` for what is not set, ``None`` if not known."""
        return None if self.source is None else self.values.get(name, "n")


def read_config(host: Host) -> Config:
    """Read the configuration of a host's running kernel."""
    tried = []
    try:
        data = _unpacked(host.read(_PROC))
        if data is not None:
            return Config(_PROC, parse_config(data))
        tried.append(f"{_PROC}: not a whole gzip file")
    except ReadError as error:
        tried.append(str(error.failure))
    try:
        release = host.read("/proc/sys/kernel/osrelease").decode("utf-8", "surrogateescape").strip()
    except ReadError as error:
        return Config(None, {}, (*tried, str(error.failure)))
    if not release or "/" in release:
        return Config(None, {}, (*tried, "/proc/sys/kernel/osrelease: no release in it"))
    for pattern in _FILES:
        path = pattern.format(release)
        try:
            values = parse_config(host.read(path))
        except ReadError as error:
            tried.append(str(error.failure))
            continue
        if values:
            return Config(path, values, tuple(tried))
        tried.append(f"{path}: no options in it")
    return Config(None, {}, tuple(tried))


def parse_config(data: bytes) -> Dict[str, str]:
    r"""Parse a ``.config``; what is not set is ``n``, and text loses its quotes.

    >>> parse_config(b'CONFIG_BPF=y\n# CONFIG_KPROBES is not set\nCONFIG_LSM="lockdown,bpf"\nCONFIG_HZ=250\n')
    {'CONFIG_BPF': 'y', 'CONFIG_KPROBES': 'n', 'CONFIG_LSM': 'lockdown,bpf', 'CONFIG_HZ': '250'}
    """
    text = data.decode("utf-8", "surrogateescape")
    return {name: value.strip('"') if value else "n" for name, value in _ROW.findall(text)}


def _unpacked(data: bytes) -> Optional[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, _MAX_BYTES)
    except zlib.error:
        return None
    return text if unpacker.eof else None
