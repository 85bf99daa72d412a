"""What is seen of ends in /proc, from one moment to the next."""

from typing import Any, Dict, List, Optional, Tuple

import pytest

from kdiag.host.base import Facts
from kdiag.host.memory import Content, MemoryHost
from kdiag.host.target import Target
from kdiag.tools.exitsnoop import ExitRow, by_procfs
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse

OPTIONS = {"threads": False, "failed": False}
FACTS = Facts(clock_ticks_per_s=100, reader_pid=1000, reader_euid=33)
UNPRIVILEGED, TRACES = b"CapEff:\t0000000000000000\n", b"CapEff:\t0000000000080000\n"


def stat(
    pid: int, *, start: int = 100, ppid: int = 1, state: str = "S", threads: int = 1, code: int = 0
) -> bytes:
    columns = ["0"] * 50
    columns[0], columns[1], columns[17], columns[19], columns[49] = (
        state,
        *(str(number) for number in (ppid, threads, start, code)),
    )
    return f"{pid} (a b) {' '.join(columns)}\n".encode()


def moment(*stats: bytes, up_s: float = 2.0, uid: int = 0, caps: bytes = UNPRIVILEGED) -> Dict[str, Content]:
    files: Dict[str, Content] = {"/proc/uptime": b"%.2f 0.00\n" % up_s, "/proc/self/status": caps}
    for each in stats:
        pid = each.split()[0].decode()
        files[f"/proc/{pid}/stat"] = each
        files[f"/proc/{pid}/status"] = b"Uid:\t%d\t%d\t%d\t%d\n" % ((uid,) * 4)
    return files


def seen(*moments: Dict[str, Content], target: Optional[Target] = None) -> Tuple[List[ExitRow], Any]:
    host = MemoryHost(moments, facts=FACTS)
    ends = by_procfs._Ends(Run(host, OPTIONS, target=target), 100)
    ends.first()
    rows: List[Any] = []
    while host.advance(0.05):
        rows += ends.look()
    return rows, ends


def test_what_is_gone_has_ended() -> None:
    rows, ends = seen(moment(stat(7), stat(8)), moment(stat(8), up_s=2.5), moment(stat(8), up_s=3.0))
    assert rows == [ExitRow(0, 7, None, 1, "a b", 1_500_000_000, None, None, None)]
    assert (ends.seen, ends.unknown) == (1, 1)


def test_a_zombie_tells_how_and_is_told_once() -> None:
    dead = stat(7, state="Z", code=3 << 8)
    rows, ends = seen(moment(stat(7)), moment(dead), moment(dead), moment())
    assert [(row.pid, row.exit_code) for row in rows] == [(7, 3)]
    assert ends.unknown == 0


def test_one_that_was_dead_before_is_not_told() -> None:
    dead = stat(7, state="Z", code=15)
    assert seen(moment(dead), moment(dead), moment())[0] == []


def test_a_first_thread_that_is_gone_does_not_end_the_process() -> None:
    alive = stat(7, state="Z", threads=3)
    assert seen(moment(stat(7)), moment(alive), moment(alive))[0] == []


@pytest.mark.parametrize(
    ("uid", "caps", "code"), [(0, UNPRIVILEGED, None), (33, UNPRIVILEGED, 0), (0, TRACES, 0)]
)
def test_a_zero_that_the_kernel_shows_to_strangers_is_not_believed(uid: int, caps: bytes, code: Any) -> None:
    dead = stat(7, state="Z", code=0)
    (row,), _ = seen(moment(stat(7), caps=caps), moment(dead, uid=uid, caps=caps))
    assert row.exit_code == code


def test_an_id_that_is_used_again_is_another_process() -> None:
    rows, _ = seen(moment(stat(7, start=100)), moment(stat(7, start=190)))
    assert [(row.pid, row.lived_ns) for row in rows] == [(7, 1_000_000_000)]


def test_of_a_target_its_children_are_watched_and_nobody_else() -> None:
    host = MemoryHost([moment(stat(7))], facts=FACTS)
    target = Target.attach(host, 7)
    rows, _ = seen(
        moment(stat(7), stat(20)),
        moment(stat(7), stat(20), stat(8, ppid=7, start=150), stat(5, ppid=8, start=160)),
        moment(stat(7)),
        # The id of a child is another's now.
        moment(stat(7), stat(8, start=190)),
        moment(stat(7)),
        target=target,
    )
    assert sorted(row.pid for row in rows) == [5, 8]


def test_threads_are_refused() -> None:
    run = Run(MemoryHost([moment()], facts=FACTS), {**OPTIONS, "threads": True})
    with pytest.raises(CannotUse, match="threads"):
        list(by_procfs.run(run))


def test_a_dry_run_yields_nothing() -> None:
    run = Run(MemoryHost([moment()], facts=FACTS), OPTIONS, dry_run=True)
    assert list(by_procfs.run(run)) == []
    assert run.plan and not run.notes
