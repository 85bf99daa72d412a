from kdiag.host.memory import MemoryHost
from kdiag.tools.block_disks import DiskNames

LINE = b" 254 16 vd\xff 1 0 8 1 0 0 0 0 0 0 0\n"


def test_disks_have_their_names_and_unknown_ones_their_numbers() -> None:
    names = DiskNames(MemoryHost([{"/proc/diskstats": LINE}]))
    assert names.of(254 << 20 | 16) == "vd\udcff"
    assert names.of(8 << 20 | 3) == "8:3"
    assert names.of(0) is None


def test_without_the_file_there_are_numbers() -> None:
    assert DiskNames(MemoryHost([{}])).of(8 << 20) == "8:0"
