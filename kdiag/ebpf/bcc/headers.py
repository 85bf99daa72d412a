"""The few headers that BCC needs to compile a program, instead of those of the kernel.

BCC looks for ``linux/kconfig.h`` and includes some names by itself; the compiler needs the basic types, the
registers of a kprobe (``struct pt_regs``, ``arch/*/include/asm/ptrace.h``) and ``roundup_pow_of_two`` (for
maps of stacks). No structure of the kernel is described here: programs read fields by offsets that come
from the BTF of the running kernel, so that nothing here can be wrong for it.
"""

from typing import Dict, Mapping, Tuple

__all__ = ["MACHINES", "stub_headers", "version_code"]

_KCONFIG = """\
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_64BIT 1
#include "types.h"
#include "ptrace.h"
"""

_TYPES = """\
#ifndef KDIAG_TYPES_H
#define KDIAG_TYPES_H
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef signed short __s16;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __le16;
typedef __u32 __le32;
typedef __u64 __le64;
typedef __u16 __sum16;
typedef __u32 __wsum;
#define __aligned_u64 __u64 __attribute__((aligned(8)))
typedef _Bool bool;
#define true 1
#define false 0
typedef unsigned long size_t;
typedef long ssize_t;
typedef unsigned long uintptr_t;
typedef long long loff_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef __u32 dev_t;
typedef __u64 sector_t;
typedef unsigned short umode_t;
typedef unsigned int gfp_t;
typedef __s64 time64_t;
#ifndef NULL
#define NULL ((void *)0)
#endif
#define TASK_COMM_LEN 16
#endif
"""

_LOG2 = """\
#ifndef KDIAG_LOG2_H
#define KDIAG_LOG2_H
#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((unsigned long)(n) - 1)))
#endif
"""

_BPF_COMMON = """\
#ifndef KDIAG_BPF_COMMON_H
#define KDIAG_BPF_COMMON_H
#define BPF_CLASS(code) ((code) & 7)
#define BPF_LD 0
#define BPF_LDX 1
#define BPF_ST 2
#define BPF_STX 3
#define BPF_ALU 4
#define BPF_JMP 5
#endif
"""

_VERSION = """\
#define LINUX_VERSION_CODE {code}
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
"""

#: BCC makes the size of a ring buffer of it.
_PAGE = "#define PAGE_SIZE {page_bytes}UL\n"

_REGISTERS: Mapping[str, str] = {
    "aarch64": """\
struct user_pt_regs {
    __u64 regs[31];
    __u64 sp;
    __u64 pc;
    __u64 pstate;
};
struct pt_regs {
    union {
        struct user_pt_regs user_regs;
        struct {
            __u64 regs[31];
            __u64 sp;
            __u64 pc;
            __u64 pstate;
        };
    };
    __u64 orig_x0;
    __s32 syscallno;
    __u32 pmr;
};
""",
    "x86_64": """\
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
    unsigned long orig_ax, ip, cs, flags, sp, ss;
};
""",
}
#: The machines whose registers are described.
MACHINES = tuple(_REGISTERS)

#: What programs and BCC itself include by name, though nothing of it is needed.
_EMPTY = (
    "linux/blkdev.h",
    "linux/fs.h",
    "linux/sched.h",
    "linux/slab.h",
    "linux/time.h",
    "uapi/linux/bpf.h",
    "uapi/linux/if_packet.h",
)


def stub_headers(machine: str, release: str, page_bytes: int) -> Dict[str, str]:
    """Return the texts by path, for a kernel's ``uname -m`` and ``uname -r`` and the size of its pages.

    Raises :exc:`KeyError` for a machine that is not in :data:`MACHINES`, and :exc:`ValueError` for a release
    that does not begin with numbers.
    """
    registers = '#ifndef KDIAG_PTRACE_H\n#define KDIAG_PTRACE_H\n#include "types.h"\n'
    headers = {
        "linux/kconfig.h": _KCONFIG,
        "linux/types.h": _TYPES,
        "linux/ptrace.h": registers + _REGISTERS[machine] + "#endif\n",
        "linux/log2.h": _LOG2,
        "linux/bpf_common.h": _BPF_COMMON,
        "asm/page.h": _PAGE.format(page_bytes=page_bytes),
        "linux/version.h": _VERSION.format(code=_code(version_code(release))),
        "uapi/linux/ptrace.h": "#include <linux/ptrace.h>\n",
    }
    headers.update((name, "#include <linux/types.h>\n") for name in _EMPTY)
    return {f"include/{name}": text for name, text in headers.items()}


def version_code(release: str) -> Tuple[int, int, int]:
    """Return the three numbers of a release, the third at most 255 as in ``LINUX_VERSION_CODE``.

    >>> version_code("6.12.115+deb12-amd64"), version_code("5.10.0-43-amd64"), version_code("7.0-rc1")
    ((6, 12, 115), (5, 10, 0), (7, 0, 0))
    """
    numbers = []
    for word in release.split("-")[0].split("+")[0].split(".")[:3]:
        if not word.isdecimal():
            break
        numbers.append(min(int(word), 255))
    if len(numbers) < 2:
        raise ValueError(f"the release {release!r} does not begin with two numbers")
    major, minor, patch = (*numbers, 0)[:3]
    return major, minor, patch


def _code(version: Tuple[int, int, int]) -> int:
    major, minor, patch = version
    return (major << 16) + (minor << 8) + patch
