"""The kernel function behind a system call: its name differs by architecture and by kernel.

Since 4.17 the table of system calls points to wrappers that take ``struct pt_regs *``
(``arch/*/include/asm/syscall_wrapper.h``); architectures without wrappers have the plain ``sys_`` names.
"""

from typing import Container, Mapping, Optional, Tuple

__all__ = ["PREFIXES", "syscall_of_symbol", "symbol_of_syscall", "symbols_of_syscall"]

#: Machine -> prefixes of its wrappers, that of its own programs first, then those of 32-bit ones.
PREFIXES: Mapping[str, Tuple[str, ...]] = {
    "aarch64": ("__arm64_sys_", "__arm64_compat_sys_"),
    "riscv64": ("__riscv_sys_", "__riscv_compat_sys_"),
    "s390x": ("__s390x_sys_", "__s390_sys_", "__s390_compat_sys_"),
    "x86_64": ("__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_", "__x64_compat_sys_"),
}

#: After the wrappers: architectures without them, kernels before 4.17, and what the wrappers call.
_PLAIN = ("sys_", "__se_sys_", "__do_sys_", "ksys_", "do_sys_")

#: ``do_sys_openat2`` opens files for openat(2) as well: names with that beginning are no wrappers.
_WRAPPERS = (*(prefix for prefixes in PREFIXES.values() for prefix in prefixes), *_PLAIN[:-1])


def symbols_of_syscall(entry_name: str, machine: str, *, compat: bool = False) -> Tuple[str, ...]:
    """Return the names that the function of a system call may have, best first.

    ``entry_name`` is that of the entry point (:func:`kdiag.kernel.syscalls.entry_name`). Wrappers for
    32-bit programs are left out unless asked for: they are other functions, not other names of the same.

    >>> symbols_of_syscall("openat", "x86_64")[:2], symbols_of_syscall("openat", "ppc64le")[0]
    (('__x64_sys_openat', 'sys_openat'), 'sys_openat')
    """
    wrappers = PREFIXES.get(machine, ())
    if not compat:
        wrappers = wrappers[:1] if machine != "s390x" else wrappers[:2]
    return tuple(prefix + entry_name for prefix in (*wrappers, *_PLAIN))


def symbol_of_syscall(entry_name: str, machine: str, known: Container[str]) -> Optional[str]:
    """Return the first name that this kernel knows (``available_filter_functions``, kallsyms), or ``None``.

    >>> symbol_of_syscall("openat", "x86_64", {"__x64_sys_openat", "do_sys_open"})
    '__x64_sys_openat'
    """
    return next((name for name in symbols_of_syscall(entry_name, machine) if name in known), None)


def syscall_of_symbol(symbol: str) -> Optional[str]:
    """Return the entry point's name if this is the wrapper of a system call, of whatever architecture.

    >>> syscall_of_symbol("__arm64_sys_openat"), syscall_of_symbol("do_sys_open")
    ('openat', None)
    """
    return next((symbol[len(prefix) :] for prefix in _WRAPPERS if symbol.startswith(prefix)), None)
