from typing import Dict, List

import pytest

from kdiag.host.memory import Content, MemoryHost
from kdiag.tools.run import Run
from kdiag.tools.runqlat import by_procfs
from kdiag.tools.tool import CannotUse, Summary

OPTIONS = {"by": "process", "per_row": False}


def tasks(**schedstat: str) -> Dict[str, Content]:
    """Return files of threads ``p<process>_<thread>`` with their CPU time, run delay and times on a CPU."""
    files: Dict[str, Content] = {}
    for name, text in schedstat.items():
        pid, tid = name[1:].split("_")
        files[f"/proc/{pid}/task/{tid}/schedstat"] = text.encode()
        files[f"/proc/{pid}/comm"] = b"odd\xff\n"
    return files


def summaries(before: Dict[str, Content], after: Dict[str, Content], **more: str) -> List[Summary]:
    host = MemoryHost([before, after])
    run = Run(host, {**OPTIONS, **more}, interval_s=0.01, count=1)
    run.on_begin = lambda: None
    items = []
    ticks = run.ticks

    def stepping(poll: object) -> object:
        host.advance(1.0)
        return ticks()

    run.ticks = stepping  # type: ignore[method-assign,assignment]
    for item in by_procfs.run(run):
        assert isinstance(item, Summary)
        items.append(item)
    return items


def test_what_was_added_is_summed_up_by_process() -> None:
    before = tasks(p5_5="9 1000 10", p5_6="9 500 2", p8_8="1 100 1")
    after = tasks(p5_5="9 4000 13", p5_6="9 600 3", p8_8="1 100 1")
    (summary,) = summaries(before, after)
    (row,) = summary.rows
    assert (row.pid, row.comm, row.waits, row.total_ns, row.max_ns) == (5, "odd\udcff", 4, 3100, None)
    assert summary.histograms == ()


def test_threads_have_rows_of_their_own() -> None:
    before = tasks(p5_5="9 1000 10", p5_6="9 500 2")
    after = tasks(p5_5="9 4000 13", p5_6="9 600 3")
    (summary,) = summaries(before, after, by="thread")
    assert [(row.pid, row.total_ns) for row in summary.rows] == [(5, 3000), (6, 100)]


def test_an_id_that_another_thread_has_now_begins_with_nothing() -> None:
    (summary,) = summaries(tasks(p5_5="9 1000 10"), tasks(p5_5="9 70 2"))
    assert [(row.waits, row.total_ns) for row in summary.rows] == [(2, 70)]


def test_kdiag_itself_is_left_out() -> None:
    before, after = tasks(p1000_1000="1 1 1", p5_5="1 1 1"), tasks(p1000_1000="1 9 9", p5_5="1 5 2")
    (summary,) = summaries(before, after)
    assert [row.pid for row in summary.rows] == [5]


@pytest.mark.parametrize("files", [{}, tasks(p5_5="0 0 0")])
def test_a_kernel_that_keeps_no_sums_is_refused(files: Dict[str, Content]) -> None:
    with pytest.raises(CannotUse, match="schedstat"):
        summaries(files, files)
