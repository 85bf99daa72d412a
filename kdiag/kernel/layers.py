"""The layer of the kernel that a function belongs to: entry, VFS, a file system, block layer, a driver ...

The kernel does not say it; the names do, by convention (``ext4_*``, ``blk_mq_*``), and so does the module
that a function is in. A function that no rule places is ``None``, and whoever adds up times says how much
that was.
"""

from typing import Dict, Mapping, Optional, Tuple

from kdiag.kernel.layer_names import BY_MODULE, BY_NAME
from kdiag.records import NamedTuple

__all__ = ["TITLES", "Layer", "layer_of"]

#: Layers from a program down to the hardware, then those that all others use.
TITLES: Mapping[str, str] = {
    "entry": "system call entry and exit",
    "vfs": "VFS",
    "io_uring": "io_uring",
    "fs": "file system",
    "page_cache": "page cache and writeback",
    "block": "block layer",
    "driver": "driver",
    "network": "network",
    "process": "processes and signals",
    "security": "security modules",
    "memory": "memory management",
    "locking": "locking",
    "scheduler": "scheduler and waiting",
    "interrupts": "interrupts and timers",
    "checksums": "checksums and cryptography",
    "library": "kernel library",
    "tracing": "tracing, perf and BPF",
    "module": "other module",
}


class Layer(NamedTuple):
    """A layer, by its key in :data:`TITLES`, and which part of it (the file system's name, the module's)."""

    id: str
    part: str = ""

    @property
    def title(self) -> str:
        """What users read.

        >>> Layer("fs", "ext4").title, Layer("vfs").title
        ('file system ext4', 'VFS')
        """
        return f"{TITLES[self.id]} {self.part}" if self.part else TITLES[self.id]


class _Rules:
    """Words of a table by exact name and by prefix."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._exact: Dict[str, Layer] = {}
        self._prefixes: Dict[str, Layer] = {}
        for place, words in table.items():
            layer = _layer(place)
            for word in words.split():
                if word.endswith("*"):
                    self._prefixes.setdefault(word[:-1], layer)
                else:
                    self._exact.setdefault(word, layer)
        self._longest = max(map(len, self._prefixes))

    def exact(self, name: str) -> Optional[Layer]:
        return self._exact.get(name)

    def find(self, name: str) -> Optional[Layer]:
        """Return the layer of the longest word that matches; a whole name is longer than any prefix."""
        if name in self._exact:
            return self._exact[name]
        for length in range(min(len(name), self._longest), 0, -1):
            layer = self._prefixes.get(name[:length])
            if layer is not None:
                return layer
        return None


def _layer(place: str) -> Layer:
    # "page cache" is the one layer of two words; everything else is a layer and its part.
    if place.startswith("page cache"):
        return Layer("page_cache")
    name, _, part = place.partition(" ")
    return Layer(name, part)


_names: Optional[_Rules] = None
_modules: Optional[_Rules] = None
_found: Dict[Tuple[str, Optional[str]], Optional[Layer]] = {}


def layer_of(function: str, module: Optional[str] = None) -> Optional[Layer]:
    """Return the layer of a function, ``None`` where no rule places it; ``module`` is ``None`` if built in.

    >>> layer_of("__x64_sys_openat"), layer_of("ext4_file_open"), layer_of("ext4_file_open", "ext4")
    (Layer(id='entry', part=''), Layer(id='fs', part='ext4'), Layer(id='fs', part='ext4'))
    >>> layer_of("virtblk_add_req", "virtio_blk"), layer_of("f", "acme"), layer_of("acme_frob")
    (Layer(id='driver', part='virtio_blk'), Layer(id='module', part='acme'), None)
    """
    key = (function, module)
    if key not in _found:
        if len(_found) >= 100_000:  # names come from a trace, and a hostile one must not fill the memory
            _found.clear()
        _found[key] = _in_module(module) if module else _built_in(function)
    return _found[key]


def _in_module(module: str) -> Layer:
    global _modules
    if _modules is None:
        _modules = _Rules(BY_MODULE)
    layer = _modules.find(module.replace("-", "_"))
    if layer is None:
        return Layer("module", module)
    return Layer("driver", module) if layer == Layer("driver") else layer


def _built_in(function: str) -> Optional[Layer]:
    global _names
    if _names is None:
        _names = _Rules(BY_NAME)
    name = function.split(".", 1)[0]  # .isra.0, .part.0, .constprop.0, .cold, .llvm.123
    if name.endswith("_noprof"):  # since 6.10 allocators are macros around these
        name = name[: -len("_noprof")]
    return _names.exact(name) or _names.find(name.lstrip("_"))
