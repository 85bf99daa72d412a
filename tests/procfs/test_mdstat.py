import pytest

from kdiag.procfs.mdstat import MdArray, MdMember, MdStat, MdSync, parse_mdstat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# In the words of md_seq_show() and of the status() of raid1, raid5, raid10, raid0 and linear.
HEALTHY = b"""\
Personalities : [raid1] [raid6] [raid5] [raid4]\x20
md127 : active raid1 sdi2[0] sdj2[1]
      312319552 blocks super 1.2 [2/2] [UU]
      bitmap: 0/3 pages [0KB], 65536KB chunk

md0 : active raid1 sdi1[0] sdj1[1]
      248896 blocks [2/2] [UU]
     \x20
unused devices: <none>
"""
REBUILDING = b"""\
Personalities : [raid6] [raid5] [raid4]\x20
md6 : active raid5 sdd1[4] sdc1[2](F) sde1[5](S) sdb1[1] sda1[0]
      5860147200 blocks super 1.2 level 5, 512k chunk, algorithm 2 [4/3] [UU_U]
      [==>..................]  recovery = 12.6% (246175232/1953382400) finish=127.5min speed=223150K/sec
      bitmap: 3/15 pages [12KB], 65536KB chunk

unused devices: <none>
"""
WITHOUT_SHAPE = b"""\
Personalities : [raid0] [linear] [raid10]\x20
md12 : active raid0 sdc2[0] sdd2[1]
      3886394368 blocks super 1.2 512k chunks
     \x20
md13 : active linear sdf1[1] sde1[0]
      2095104 blocks super 1.2 0k rounding
     \x20
md219 : inactive sdb[2](S) sdc[1](S) sda[0](S)
      7932 blocks super external:imsm
      \x20
unused devices: <none>
"""


def arrays(data: bytes) -> "dict[str, MdArray]":
    parsed = parse_mdstat(data)
    assert parsed.problems == ()
    return {array.name: array for array in parsed.arrays}


def test_a_healthy_mirror_is_read_whole() -> None:
    assert parse_mdstat(HEALTHY) == MdStat(
        personalities=("raid1", "raid6", "raid5", "raid4"),
        arrays=(
            MdArray(
                name="md127",
                state="active",
                read_only=None,
                level="raid1",
                members=(MdMember("sdi2", 0, ()), MdMember("sdj2", 1, ())),
                size_kib=312319552,
                raid_disks=2,
                working_disks=2,
                places="UU",
                sync=None,
                extra=("super 1.2", "bitmap: 0/3 pages [0KB], 65536KB chunk"),
            ),
            MdArray(
                name="md0",
                state="active",
                read_only=None,
                level="raid1",
                members=(MdMember("sdi1", 0, ()), MdMember("sdj1", 1, ())),
                size_kib=248896,
                raid_disks=2,
                working_disks=2,
                places="UU",
                sync=None,
                extra=(),
            ),
        ),
        unused_devices=(),
    )


def test_a_failed_member_a_spare_and_the_recovery_are_seen() -> None:
    array = arrays(REBUILDING)["md6"]
    assert (array.level, array.raid_disks, array.working_disks, array.missing_disks) == ("raid5", 4, 3, 1)
    assert array.places == "UU_U"
    assert [member.name for member in array.members if member.faulty] == ["sdc1"]
    assert [member.name for member in array.members if member.spare] == ["sde1"]
    assert array.sync == MdSync(
        action="recovery",
        waiting=None,
        done_pct=12.6,
        done_kib=246175232,
        total_kib=1953382400,
        finish_minutes=127.5,
        speed_kib_per_s=223150,
    )
    assert array.extra[0] == "super 1.2 level 5, 512k chunk, algorithm 2"


@pytest.mark.parametrize(
    ("line", "sync"),
    [
        (
            b"[=>...................]  resync =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec",
            MdSync("resync", None, 8.5, 16775552, 195310144, 17.0, 259783),
        ),
        (
            b"[=>...................]  check =  5.7% (114176/1993728) finish=0.2min speed=114176K/sec",
            MdSync("check", None, 5.7, 114176, 1993728, 0.2, 114176),
        ),
        (
            b"[===========>.........]  reshape = 56.1% (1096879/1953381) finish=1868.1min speed=764K/sec",
            MdSync("reshape", None, 56.1, 1096879, 1953381, 1868.1, 764),
        ),
        (
            b"[====================>]  check =100.0% (8/8) finish=0.0min speed=0K/sec",
            MdSync("check", None, 100.0, 8, 8, 0.0, 0),
        ),
        (b"resync=12% finish=5.0min", MdSync("resync", None, 12.0, None, None, 5.0, None)),  # 2.2
        (b"\tresync=DELAYED", MdSync("resync", "DELAYED", None, None, None, None, None)),
        (b"\tresync=PENDING", MdSync("resync", "PENDING", None, None, None, None, None)),
        (b"\trecover=REMOTE", MdSync("recover", "REMOTE", None, None, None, None, None)),
    ],
)
def test_progress_is_read_and_what_waits_has_no_numbers(line: bytes, sync: MdSync) -> None:
    data = b"md0 : active raid1 sda1[0] sdb1[1]\n      100 blocks [2/2] [UU]\n      " + line + b"\n"
    assert arrays(data)["md0"].sync == sync


def test_levels_without_redundancy_and_inactive_arrays_have_no_shape() -> None:
    found = arrays(WITHOUT_SHAPE)
    assert [
        (array.name, array.state, array.level, array.size_kib, array.raid_disks, array.missing_disks)
        for array in found.values()
    ] == [
        ("md12", "active", "raid0", 3886394368, None, None),
        ("md13", "active", "linear", 2095104, None, None),
        ("md219", "inactive", None, 7932, None, None),
    ]
    assert found["md12"].extra == ("super 1.2 512k chunks",)
    assert [member.spare for member in found["md219"].members] == [True, True, True]


@pytest.mark.parametrize(
    ("heading", "state", "read_only", "level"),
    [
        (b"active (read-only) raid1", "active", "read-only", "raid1"),
        (b"active (auto-read-only) raid1", "active", "auto-read-only", "raid1"),
        (b"broken raid0", "broken", None, "raid0"),
    ],
)
def test_states_other_than_plain_active_are_told(
    heading: bytes, state: str, read_only: "str | None", level: str
) -> None:
    array = arrays(b"md1 : " + heading + b" sda[0] sdb[1]\n")["md1"]
    assert (array.state, array.read_only, array.level, len(array.members)) == (state, read_only, level, 2)


def test_an_array_without_members_keeps_its_superblock() -> None:
    array = arrays(b"md127 : inactive super non-persistent\n")["md127"]
    assert (array.level, array.members, array.extra) == (None, (), ("super non-persistent",))


def test_a_member_may_have_several_flags_and_any_name() -> None:
    array = arrays(b"md0 : active raid1 nvme0n1p1[10](W)(F) dm-[x][1](J) \xff\x1b[-1](R)\n")["md0"]
    assert array.members == (
        MdMember("nvme0n1p1", 10, ("W", "F")),
        MdMember("dm-[x]", 1, ("J",)),
        MdMember("\udcff\x1b", -1, ("R",)),
    )


def test_raid10_with_copies_has_a_shape() -> None:
    detail = b"      4687296000 blocks super 1.2 512K chunks 2 near-copies [6/5] [UUUUU_]\n"
    array = arrays(b"md1 : active raid10 sda[0]\n" + detail)["md1"]
    assert (array.missing_disks, array.places) == (1, "UUUUU_")
    assert array.extra == ("super 1.2 512K chunks 2 near-copies",)


def test_devices_in_no_array_are_listed() -> None:
    assert parse_mdstat(b"Personalities : \nunused devices: sdb1 sdc1 \n").unused_devices == ("sdb1", "sdc1")


def test_lines_and_words_of_a_later_kernel_survive() -> None:
    data = b"md0 : active raid1 sda1[0]\n      100 blocks [1/1] [U]\n      journal: 3 pages\n"
    progress = b"      [>....................]  scrub =  0.5% (1/200) finish=2.0min speed=9K/sec errors=3\n"
    array = arrays(data + progress)["md0"]
    assert array.extra == ("journal: 3 pages", "errors=3")
    assert array.sync == MdSync("scrub", None, 0.5, 1, 200, 2.0, 9)


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_sizes_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    line = b"      [>....]  resync =  0.0%% (%d/%d) finish=%d.0min speed=%dK/sec\n" % ((value,) * 4)
    array = arrays(b"md0 : active raid1 a[0]\n      %d blocks\n" % value + line)["md0"]
    assert array.size_kib == value
    assert array.sync == MdSync("resync", None, 0.0, value, value, float(value), value)


def test_bad_lines_are_named_and_the_rest_survives() -> None:
    parsed = parse_mdstat(
        b"read_ahead 1024 sectors\n"
        b"      100 blocks\n"
        b"md0 : active raid1 a[0]\n"
        b"      x blocks [1/1] [U]\n"
        b"      [=>...]  resync = lots\n"
        b"      bitmap: 1/1 pages [4KB], 65536KB chunk\n"
        b"md1 : \n"
        b"md2 : active raid1 b[0]\n"
    )
    assert [(array.name, array.size_kib, array.sync) for array in parsed.arrays] == [
        ("md0", None, None),
        ("md2", None, None),
    ]
    array_wanted = "NAME : STATE [(read-only)] [LEVEL] MEMBER[N]..."
    detail_wanted = "N blocks ..., or [==>...] ACTION = N.N% (N/N) finish=N.Nmin speed=NK/sec"
    assert parsed.problems == (
        Problem("/proc/mdstat", 1, "read_ahead 1024 sectors", array_wanted),
        Problem("/proc/mdstat", 2, "      100 blocks", array_wanted),
        Problem("/proc/mdstat", 4, "      x blocks [1/1] [U]", detail_wanted),
        Problem("/proc/mdstat", 5, "      [=>...]  resync = lots", detail_wanted),
        Problem("/proc/mdstat", 7, "md1 : ", array_wanted),
    )


def test_md_loaded_without_arrays_is_an_empty_answer() -> None:
    assert parse_mdstat(b"Personalities : \nunused devices: <none>\n") == MdStat((), (), ())


def test_it_survives_any_input() -> None:
    for sample in (HEALTHY, REBUILDING, WITHOUT_SHAPE):
        holds_when_cut_anywhere(parse_mdstat, sample)
    holds_for_any_bytes(parse_mdstat, REBUILDING)
