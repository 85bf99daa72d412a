import pytest

from kdiag.procfs.pid_status import Ids, PidStatus, SignalQueue, parse_pid_status
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

PROCESS_6_18 = b"""\
Name:\tsupervisor
Umask:\t0022
State:\tS (sleeping)
Tgid:\t10
Ngid:\t2
Pid:\t11
PPid:\t1
TracerPid:\t3
Uid:\t0\t1000\t0\t4294967294
Gid:\t0\t0\t5\t0
FDSize:\t512
Groups:\t4 24 1000 
NStgid:\t10\t1
NSpid:\t11\t2
NSpgid:\t10\t1
NSsid:\t9\t0
Kthread:\t0
VmPeak:\t   49964 kB
VmSize:\t   42044 kB
VmLck:\t   42012 kB
VmPin:\t       1 kB
VmHWM:\t   17172 kB
VmRSS:\t   12780 kB
RssAnon:\t    6548 kB
RssFile:\t       8 kB
RssShmem:\t    6224 kB
VmData:\t   34544 kB
VmStk:\t     132 kB
VmExe:\t    5308 kB
VmLib:\t       9 kB
VmPTE:\t     120 kB
VmSwap:\t       5 kB
HugetlbPages:\t    2048 kB
CoreDumping:\t0
THP_enabled:\t1
untag_mask:\t0xffffffffffffffff
Threads:\t13
SigQ:\t1/96365
SigPnd:\t0000000000000001
ShdPnd:\t0000000000000002
SigBlk:\t0000000000000003
SigIgn:\t0000000000001000
SigCgt:\t00000000000004e8
CapInh:\t0000000000000000
CapPrm:\t000001ffffffffff
CapEff:\t000001ffffffffff
CapBnd:\t000001fffeffffff
CapAmb:\t0000000000000004
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
Speculation_Store_Bypass:\tvulnerable
Cpus_allowed:\t3
Cpus_allowed_list:\t0-1
Mems_allowed:\t00000000,00000001
Mems_allowed_list:\t0
voluntary_ctxt_switches:\t319
nonvoluntary_ctxt_switches:\t45
"""  # noqa: W291 (the kernel ends the groups with a blank)
KERNEL_THREAD_6_18 = b"""\
Name:\tkthreadd
State:\tI (idle)
FDSize:\t64
Groups:\t 
Kthread:\t1
Threads:\t1
"""  # noqa: W291


def test_every_line_is_read_by_its_name_and_unit() -> None:
    assert parse_pid_status(PROCESS_6_18) == PidStatus(
        name="supervisor",
        umask=0o022,
        state="S",
        tgid=10,
        ngid=2,
        pid=11,
        ppid=1,
        tracer_pid=3,
        uid=Ids(0, 1000, 0, 4294967294),
        gid=Ids(0, 0, 5, 0),
        fd_size=512,
        groups=(4, 24, 1000),
        ns_tgid=(10, 1),
        ns_pid=(11, 2),
        ns_pgid=(10, 1),
        ns_sid=(9, 0),
        kthread=False,
        vm_peak_kib=49964,
        vm_size_kib=42044,
        vm_lck_kib=42012,
        vm_pin_kib=1,
        vm_hwm_kib=17172,
        vm_rss_kib=12780,
        rss_anon_kib=6548,
        rss_file_kib=8,
        rss_shmem_kib=6224,
        vm_data_kib=34544,
        vm_stk_kib=132,
        vm_exe_kib=5308,
        vm_lib_kib=9,
        vm_pte_kib=120,
        vm_pmd_kib=None,  # 4.0 to 4.14 alone
        vm_swap_kib=5,
        hugetlb_pages_kib=2048,
        core_dumping=False,
        threads=13,
        sig_queue=SignalQueue(1, 96365),
        sig_pnd=1,
        shd_pnd=2,
        sig_blk=3,
        sig_ign=0x1000,
        sig_cgt=0x4E8,
        cap_inh=0,
        cap_prm=0x1FFFFFFFFFF,
        cap_eff=0x1FFFFFFFFFF,
        cap_bnd=0x1FFFEFFFFFF,
        cap_amb=4,
        no_new_privs=True,
        seccomp=2,
        cpus_allowed_list="0-1",
        mems_allowed_list="0",
        voluntary_ctxt_switches=319,
        nonvoluntary_ctxt_switches=45,
        extra={
            "THP_enabled": "1",
            "untag_mask": "0xffffffffffffffff",
            "Seccomp_filters": "1",
            "Speculation_Store_Bypass": "vulnerable",
            "Cpus_allowed": "3",
            "Mems_allowed": "00000000,00000001",
        },
        problems=(),
    )


def test_a_kernel_thread_has_no_memory_which_is_not_the_same_as_0() -> None:
    assert parse_pid_status(KERNEL_THREAD_6_18) == PidStatus(
        name="kthreadd", state="I", fd_size=64, groups=(), kthread=True, threads=1, extra={}
    )


def test_a_line_that_only_some_kernels_print_is_read_there() -> None:
    assert parse_pid_status(b"VmPMD:\t      12 kB\n").vm_pmd_kib == 12


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        (b"a\\nb", "a\nb"),
        (b"a\\\\nb", "a\\nb"),
        (b"\\\\\\n", "\\\n"),
        (b" a ", " a "),
        (b"", ""),
        (b"Uid:\t0", "Uid:\t0"),
        (b"a) R 1 (b", "a) R 1 (b"),
        (b"\x1b[2J<", "\x1b[2J<"),
        (b"\xff", "\udcff"),
    ],
)
def test_the_name_loses_its_escapes_and_nothing_else(printed: bytes, name: str) -> None:
    parsed = parse_pid_status(b"Name:\t" + printed + b"\nPid:\t1\n")
    assert (parsed.name, parsed.pid, parsed.problems) == (name, 1, ())


def test_ids_that_an_older_kernel_prints_as_negative_numbers_are_themselves_again() -> None:
    assert parse_pid_status(b"Uid:\t-2\t0\t0\t0\n").uid == Ids(4294967294, 0, 0, 0)


def test_a_state_that_is_not_known_is_kept() -> None:
    assert parse_pid_status(b"State:\tQ (quantum)\n").state == "Q"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"Name:x", "a tab and the name"),
        (b"State:\tdisk sleep", "letter (word)"),
        (b"Pid:\t-1", "N"),
        (b"Pid:\t1_0", "N"),
        (b"Umask:\t0088", "octal digits"),
        (b"Uid:\t0\t0\t0", "real effective saved filesystem"),
        (b"Uid:\t0\t0\t0\tx", "real effective saved filesystem"),
        (b"Groups:\t1 x", "N..."),
        (b"VmRSS:\t12780", "N kB"),
        (b"VmRSS:\t12780 MB", "N kB"),
        (b"SigQ:\t1", "N/N"),
        (b"CapEff:\t0x1", "hexadecimal digits"),
        (b"Kthread:\t2", "0|1"),
        (b"no colon", "key: value"),
        (b"", "key: value"),
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes, wanted: str) -> None:
    parsed = parse_pid_status(b"Tgid:\t7\n" + line + b"\nThreads:\t3\n", "/proc/7/status")
    assert parsed == PidStatus(
        tgid=7,
        threads=3,
        extra={},
        problems=(Problem("/proc/7/status", 2, line.decode(), wanted),),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pid_status, PROCESS_6_18)
    holds_for_any_bytes(parse_pid_status, PROCESS_6_18)
