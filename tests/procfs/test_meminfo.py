import re

import pytest

from kdiag.procfs.meminfo import MemInfo, parse_meminfo
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# Every key of the sample and of the explanations in proc.rst, those of 32-bit, no-MMU and confidential
# kernels, and those that 6.18 has beyond them.
HOST_KEYS = re.findall(
    r"\S+",
    """
MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon)
Active(file) Inactive(file) Unevictable Mlocked HighTotal HighFree LowTotal LowFree MmapCopy SwapTotal
SwapFree Zswap Zswapped Dirty Writeback AnonPages Mapped Shmem KReclaimable Slab SReclaimable SUnreclaim
KernelStack PageTables SecPageTables NFS_Unstable Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal
VmallocUsed VmallocChunk Percpu EarlyMemtestBad HardwareCorrupted AnonHugePages ShmemHugePages
ShmemPmdMapped FileHugePages FilePmdMapped CmaTotal CmaFree Unaccepted Balloon Hugepagesize Hugetlb
DirectMap4k DirectMap2M DirectMap4M DirectMap1G
""",
)
NODE_KEYS = ["MemUsed", "FilePages"]
COUNT_KEYS = ["HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"]

MEMINFO_6_18 = b"""\
MemTotal:       24684092 kB
MemFree:        24306232 kB
MemAvailable:   24287280 kB
Buffers:            4816 kB
Active(anon):       1528 kB
SReclaimable:      27272 kB
VmallocTotal:   34359738367 kB
HugePages_Total:       4
HugePages_Free:        3
Hugepagesize:       2048 kB
DirectMap1G:    25165824 kB
"""
# 3.10 has no MemAvailable, 2.6.32 no KReclaimable; these are the first lines of either.
MEMINFO_3_10 = b"MemTotal:        1016344 kB\nMemFree:          123456 kB\nBuffers:           20480 kB\n"
NODE_6_18 = b"""\
Node 0 MemTotal:        3893460 kB
Node 0 MemFree:         3749904 kB
Node 0 MemUsed:          143556 kB
Node 0 Active(anon):       1528 kB
Node 0 FilePages:         40120 kB
Node 0 HugePages_Total:     2
Node 0 HugePages_Free:      1
"""


def fields_by_plain_name() -> "dict[str, str]":
    return {re.sub("_", "", field): field for field in MemInfo._fields}


@pytest.mark.parametrize("key", HOST_KEYS + NODE_KEYS)
def test_every_documented_key_has_a_field_of_its_own_name_in_kib(key: str) -> None:
    field = fields_by_plain_name()[re.sub(r"\W|_", "", key).lower() + "kib"]
    parsed = parse_meminfo(b"%s:      77 kB\n" % key.encode())
    assert getattr(parsed, field) == 77
    assert (parsed.extra, parsed.extra_kib, parsed.problems) == ({}, {}, ())


@pytest.mark.parametrize("key", COUNT_KEYS)
def test_huge_pages_are_counted_in_pages_of_their_own(key: str) -> None:
    field = fields_by_plain_name()[key.replace("_", "").lower() + "pages"]
    parsed = parse_meminfo(b"%s:       4\n" % key.encode())
    assert getattr(parsed, field) == 4
    assert (parsed.extra, parsed.extra_kib, parsed.problems) == ({}, {}, ())


def test_no_field_is_left_without_a_key() -> None:
    others = {"node", "extra_kib", "extra", "problems"}
    assert len(set(MemInfo._fields) - others) == len(HOST_KEYS + NODE_KEYS + COUNT_KEYS)


def test_a_file_of_the_host_is_read() -> None:
    parsed = parse_meminfo(MEMINFO_6_18)
    assert parsed.node is None
    assert (parsed.mem_total_kib, parsed.mem_available_kib) == (24684092, 24287280)
    assert (parsed.active_anon_kib, parsed.sreclaimable_kib) == (1528, 27272)
    assert parsed.vmalloc_total_kib == 34359738367
    assert (parsed.hugepages_total_pages, parsed.hugepages_free_pages, parsed.hugepage_size_kib) == (
        4,
        3,
        2048,
    )
    assert parsed.direct_map_1g_kib == 25165824
    assert parsed.problems == ()


def test_a_key_that_an_old_kernel_lacks_is_none() -> None:
    parsed = parse_meminfo(MEMINFO_3_10)
    assert parsed.mem_free_kib == 123456
    assert (parsed.mem_available_kib, parsed.kreclaimable_kib, parsed.hugepages_total_pages) == (
        None,
        None,
        None,
    )


def test_a_file_of_a_node_is_read_by_the_same_function() -> None:
    parsed = parse_meminfo(NODE_6_18)
    assert parsed.node == 0
    assert (parsed.mem_total_kib, parsed.mem_used_kib, parsed.file_pages_kib) == (3893460, 143556, 40120)
    assert (parsed.active_anon_kib, parsed.hugepages_total_pages) == (1528, 2)
    assert (parsed.extra, parsed.extra_kib, parsed.problems) == ({}, {}, ())
    assert parse_meminfo(b"Node 12 MemFree: 5 kB\n").node == 12


def test_unknown_keys_are_kept_with_and_without_a_unit() -> None:
    parsed = parse_meminfo(b"MemFree: 1 kB\nQuicklists:  12 kB\nNewCount: 7\n\xff\x01: 3 kB\n")
    assert parsed.extra_kib == {"Quicklists": 12, "\udcff\x01": 3}
    assert parsed.extra == {"NewCount": 7}
    assert parsed.problems == ()


def test_a_known_key_in_another_unit_is_not_taken_for_kib() -> None:
    parsed = parse_meminfo(b"MemFree: 5\nHugePages_Free: 6 kB\n")
    assert (parsed.mem_free_kib, parsed.hugepages_free_pages) == (None, None)
    assert (parsed.extra, parsed.extra_kib) == ({"MemFree": 5}, {"HugePages_Free": 6})


@pytest.mark.parametrize(
    "line",
    [
        b"Dirty: -1 kB",
        b"Dirty: 1_0 kB",
        b"Dirty: 1 MB",
        b"Dirty:",
        b"Dirty 5 kB",
        b": 5 kB",
        b"",
        b"Node x Dirty: 5 kB",
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_meminfo(b"MemTotal: 9 kB\n" + line + b"\nMemFree: 5 kB\n", "/r/proc/meminfo")
    assert parsed.problems == (Problem("/r/proc/meminfo", 2, line.decode(), "[Node N ]KEY: N [kB]"),)
    assert (parsed.mem_total_kib, parsed.mem_free_kib, parsed.dirty_kib, parsed.node) == (9, 5, None, None)
    assert (parsed.extra, parsed.extra_kib) == ({}, {})


@pytest.mark.parametrize("count", [2**32, 2**64 - 1, 2**64])
def test_sizes_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    parsed = parse_meminfo(b"MemTotal: %d kB\nHugePages_Total: %d\n" % (count, count))
    assert (parsed.mem_total_kib, parsed.hugepages_total_pages) == (count, count)


def test_an_absurdly_long_number_is_a_bad_line_and_no_exception() -> None:
    parsed = parse_meminfo(b"Dirty: %s kB\nMemFree: 5 kB\n" % (b"9" * 5000))
    assert (parsed.dirty_kib, parsed.mem_free_kib, len(parsed.problems)) == (None, 5, 1)


def test_it_survives_any_input() -> None:
    for sample in (MEMINFO_6_18, NODE_6_18):
        holds_when_cut_anywhere(parse_meminfo, sample)
        holds_for_any_bytes(parse_meminfo, sample)
