"""Which mounted file systems are asked for their space, which of them by a child, and each once."""

import errno
import time
from typing import Dict, List, Tuple, Union

from hypothesis import given
from hypothesis import strategies as st

from kdiag.health.acquire import Scope, take_sample
from kdiag.health.acquire.file_systems import PSEUDO_TYPES, may_block, visible, with_space
from kdiag.health.sample import Sample
from kdiag.host.base import FileSystemSize, Reading
from kdiag.host.memory import MemoryHost
from kdiag.procfs.mountinfo import Mount, parse_mountinfo
from tests.health.task_files import stat

ROOT = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
PROC = "23 22 0:21 / /proc rw - proc proc rw"
ROOMY = FileSystemSize(4096, 1000, 800, 750, 100, 90, 90)
OTHER = FileSystemSize(4096, 2000, 800, 750, 100, 90, 90)


def mounts_of(*lines: str) -> List[Mount]:
    return list(parse_mountinfo("".join(f"{line}\n" for line in lines).encode()).mounts)


def places(mounts: List[Mount]) -> List[str]:
    return [mount.mount_point for mount in mounts]


class AskedHost(MemoryHost):
    """Notes what statvfs is asked of, and whether by a child."""

    asked: List[Tuple[str, bool]]

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        self.asked.append((path, may_block))
        return super().statvfs(path, may_block)


def asked_and_sample(
    answers: Dict[str, Union[FileSystemSize, int]], *lines: str
) -> Tuple[List[Tuple[str, bool]], Sample]:
    table = "".join(f"{line}\n" for line in lines).encode()
    host = AskedHost([{"/proc/self/mountinfo": table}], file_systems=answers)
    host.asked = []
    sample = take_sample(host, Scope())
    return host.asked, sample


def test_a_mount_covered_further_up_its_path_is_not_visible() -> None:
    # As seen on 6.18: statvfs of /m/x/y answers for the file system on /m/x, which was mounted later.
    mounts = mounts_of(
        ROOT,
        "63 22 0:39 / /m rw - tmpfs t1 rw,size=1024k",
        "64 63 0:40 / /m/x/y rw - tmpfs t2 rw,size=2048k",
        "66 64 0:42 / /m/x/y/z rw - tmpfs t4 rw,size=4096k",
        "65 63 0:41 / /m/x rw - tmpfs t3 rw,size=3072k",
    )
    assert places(visible(mounts)) == ["/", "/m", "/m/x"]


def test_of_mounts_on_one_place_the_last_is_visible_with_what_hangs_on_it() -> None:
    mounts = mounts_of(
        ROOT,
        "25 22 0:23 / /dev/shm rw - tmpfs first rw",
        "26 25 0:24 / /dev/shm/below rw - tmpfs covered rw",
        "30 25 0:27 / /dev/shm rw - tmpfs second rw",
        "31 30 0:28 / /dev/shm/above rw - tmpfs seen rw",
    )
    assert [mount.source for mount in visible(mounts)] == ["/dev/vda", "second", "seen"]


def test_which_of_two_mounts_on_one_place_is_on_top_is_told_by_their_parents_not_by_their_order() -> None:
    second, first = "30 25 0:27 / /m rw - tmpfs second rw", "25 22 0:23 / /m rw - tmpfs first rw"
    assert [mount.source for mount in visible(mounts_of(ROOT, second, first))] == ["/dev/vda", "second"]


def test_a_mount_below_another_that_was_there_first_is_visible() -> None:
    mounts = mounts_of(
        ROOT, "30 22 8:1 / /a rw - xfs /dev/sda1 rw", "31 30 8:2 / /a/b/c rw - xfs /dev/sda2 rw"
    )
    assert places(visible(mounts)) == ["/", "/a", "/a/b/c"]


def test_mounts_whose_parents_go_round_in_a_circle_come_to_an_end() -> None:
    mounts = mounts_of(
        "1 1 8:1 / / rw - xfs a rw", "2 3 8:2 / /b rw - xfs b rw", "3 2 8:3 / /c rw - xfs c rw"
    )
    assert places(visible(mounts)) == ["/", "/b", "/c"]
    assert not may_block(mounts[1], {mount.mount_id: mount for mount in mounts})


def test_types_without_space_of_their_own_are_not_asked() -> None:
    lines = [
        f"{index} 22 0:{index} / /x{index} rw - {kind} none rw"
        for index, kind in enumerate(sorted(PSEUDO_TYPES), 100)
    ]
    assert places(with_space(mounts_of(ROOT, *lines))) == ["/"]


def test_an_autofs_is_not_asked_but_what_it_mounted_is() -> None:
    untouched = "30 22 0:40 / /home rw - autofs systemd-1 rw,direct"
    assert places(with_space(mounts_of(ROOT, untouched))) == ["/"]
    mounted = "31 30 0:41 / /home rw - nfs4 nas:/home rw,hard"
    assert [mount.source for mount in with_space(mounts_of(ROOT, untouched, mounted))] == [
        "/dev/vda",
        "nas:/home",
    ]


def test_a_file_system_is_asked_once_at_its_whole_and_writable_mount() -> None:
    mounts = mounts_of(
        ROOT,
        "30 22 8:1 / /ro ro - ext4 /dev/sda1 rw",
        "31 22 8:1 /sub /s rw - ext4 /dev/sda1 rw",
        "32 22 8:1 / /mnt/disk rw - ext4 /dev/sda1 rw",
        "33 22 8:1 / /mnt/another rw - ext4 /dev/sda1 rw",
    )
    assert places(with_space(mounts)) == ["/", "/mnt/disk"]


def test_an_overlay_on_a_disk_of_the_table_is_that_disk() -> None:
    overlay = "lowerdir=/l,upperdir=/var/lib/docker/overlay2/4f1c/diff,workdir=/w"
    mounts = mounts_of(
        ROOT,
        f"40 22 0:50 / /var/lib/docker/overlay2/4f1c/merged rw - overlay overlay rw,{overlay}",
        "41 22 0:51 / /var/lib/docker/overlay2/77aa/merged rw - overlay overlay rw,lowerdir=/l",
        "42 22 0:52 / /elsewhere rw - overlay overlay rw,lowerdir=/l,upperdir=rel/diff",
    )
    assert places(with_space(mounts)) == ["/", "/elsewhere", "/var/lib/docker/overlay2/77aa/merged"]


CONTAINER = (
    "400 350 0:48 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/4f1c/diff",
    "401 400 0:52 / /proc rw - proc proc rw",
    "404 400 254:0 /var/lib/docker/containers/4f1c/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw",
    "405 400 254:0 /var/lib/docker/containers/4f1c/hostname /etc/hostname rw - ext4 /dev/vda rw",
    "406 400 254:0 /var/lib/docker/containers/4f1c/hosts /etc/hosts rw - ext4 /dev/vda rw",
)


def test_in_a_container_the_disk_under_the_root_overlay_is_told_once() -> None:
    asked, sample = asked_and_sample({"/": ROOMY, "/etc/hosts": ROOMY}, *CONTAINER)
    assert asked == [("/", False), ("/etc/hosts", False)]
    assert [each.mount.mount_point for each in sample.file_systems] == ["/"]


def test_in_a_container_another_disk_is_told_beside_the_root() -> None:
    _, sample = asked_and_sample({"/": ROOMY, "/etc/hosts": OTHER}, *CONTAINER)
    assert [each.mount.mount_point for each in sample.file_systems] == ["/", "/etc/hosts"]


def test_two_disks_that_are_as_full_as_each_other_are_both_told() -> None:
    _, sample = asked_and_sample({"/": ROOMY, "/a": ROOMY}, ROOT, "30 22 8:1 / /a rw - ext4 /dev/sda1 rw")
    assert [each.mount.mount_point for each in sample.file_systems] == ["/", "/a"]


def test_a_network_mount_and_what_lies_behind_one_are_asked_by_a_child() -> None:
    asked, _ = asked_and_sample(
        {},
        ROOT,
        PROC,
        "30 22 0:40 / /nas rw - nfs4 nas:/ rw",
        "31 30 8:1 / /nas/local rw - ext4 /dev/sda1 rw",
        "32 31 8:2 / /nas/local/deeper rw - xfs /dev/sda2 rw",
        "33 22 0:41 / /odd rw - something_new none rw",
        "34 22 8:3 / /plain rw - ext4 /dev/sda3 rw",
        "35 23 0:42 / /proc/here rw - tmpfs tmpfs rw",
        "36 22 0:43 / /auto rw - autofs systemd-1 rw",
        "37 36 8:4 / /auto/disk rw - ext4 /dev/sda4 rw",
    )
    assert asked == [
        ("/", False),
        ("/auto/disk", True),
        ("/nas", True),
        ("/nas/local", True),
        ("/nas/local/deeper", True),
        ("/odd", True),
        ("/plain", False),
        ("/proc/here", False),
    ]


def test_where_stuck_tasks_wait_is_read_before_the_mounts_that_use_up_the_time() -> None:
    order: List[str] = []

    class OrderedHost(MemoryHost):
        def reading(self, path: str, may_block: bool = False) -> Reading:
            order.append(path)
            return super().reading(path, may_block)

        def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
            order.append(f"statvfs {path}")
            return ROOMY

    table = f"{ROOT}\n30 22 0:40 / /nas rw - nfs4 nas:/ rw\n".encode()
    take_sample(OrderedHost([{"/proc/self/mountinfo": table, "/proc/7/stat": stat(7, state="D")}]), Scope())
    assert order.index("/proc/7/stack") < order.index("statvfs /nas")


def test_a_mount_that_does_not_answer_is_kept_with_its_failure() -> None:
    _, sample = asked_and_sample(
        {"/": ROOMY, "/nas": errno.ETIMEDOUT}, ROOT, "30 22 0:40 / /nas rw - nfs4 nas:/ rw"
    )
    silent = sample.file_systems[1]
    assert (silent.size, silent.failure and silent.failure.kind) == (None, "timed_out")
    assert sample.failures["/nas"].kind == "timed_out"


def test_a_mount_that_went_away_or_is_out_of_reach_is_kept_with_its_failure() -> None:
    _, sample = asked_and_sample(
        {"/": ROOMY, "/b": errno.EACCES},
        ROOT,
        "30 22 8:1 / /a rw - ext4 /dev/sda1 rw",
        "31 22 8:2 / /b rw - ext4 /dev/sda2 rw",
    )
    assert [each.failure and each.failure.kind for each in sample.file_systems] == [None, "absent", "denied"]


def test_without_a_mount_table_nothing_is_asked() -> None:
    host = MemoryHost([{"/proc/uptime": b"1.00 1.00\n"}])
    assert take_sample(host, Scope()).file_systems == []


PLACES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(lambda names: "/" + "/".join(names))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), PLACES), max_size=12))
def test_whatever_the_table_holds_each_place_and_device_is_asked_at_most_once(
    rows: List[Tuple[int, int, str]],
) -> None:
    mounts = mounts_of(
        *(f"{own} {above} 8:{own} / {place} rw - ext4 /dev/x rw" for own, above, place in rows)
    )
    seen = visible(mounts)
    assert len(set(places(seen))) == len(seen)
    assert set(places(seen)) <= set(places(mounts))
    asked = with_space(mounts)
    assert len({mount.minor for mount in asked}) == len(asked)
    for mount in asked:
        may_block(mount, {each.mount_id: each for each in mounts})


def test_ten_thousand_mounts_are_sorted_out_in_a_moment() -> None:
    lines = [f"{n} 22 0:{n} / /var/lib/pods/{n}/volumes/data rw - tmpfs tmpfs rw" for n in range(100, 10100)]
    mounts = mounts_of(ROOT, *lines)
    started_s = time.process_time()
    assert len(with_space(mounts)) == 10001
    assert time.process_time() - started_s < 0.5
