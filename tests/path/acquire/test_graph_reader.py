"""The text of function_graph, from all CPUs in one order."""

import os
from typing import Dict, Iterable, Iterator, List, Tuple

import pytest

from kdiag.ftrace.function_graph import GraphLine
from kdiag.path.acquire.graph_reader import GraphReader, Line

MS = 1_000_000


def parse(lines: Iterable[str]) -> Iterator[GraphLine]:
    """``TIME_US NAME``, or ``lost``: the order is what is tested, not the format."""
    for number, line in enumerate(lines, 1):
        word, _, name = line.rstrip("\n").partition(" ")
        if word == "lost":
            yield GraphLine("lost", number)
        elif word:
            yield GraphLine("entry", number, ts_ns=int(word) * 1000, function=name)


class Pipes:
    def __init__(self, cpus: int) -> None:
        self.ends: Dict[int, Tuple[int, int]] = {cpu: os.pipe() for cpu in range(cpus)}
        for read, _ in self.ends.values():
            os.set_blocking(read, False)
        self.now_ns = 0
        self.reader = GraphReader(
            {cpu: ends[0] for cpu, ends in self.ends.items()}, parse, lambda: self.now_ns
        )

    def put(self, cpu: int, text: str) -> None:
        os.write(self.ends[cpu][1], text.encode())

    def close(self) -> None:
        for ends in self.ends.values():
            for each in ends:
                os.close(each)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes(2)
    yield made
    made.close()


def names(lines: List[Line]) -> List[str]:
    return [line.function or line.kind for line in lines if isinstance(line, GraphLine)]


def test_lines_of_two_cpus_come_in_the_order_of_time(pipes: Pipes) -> None:
    pipes.put(0, "10 a\n30 c\n")
    pipes.put(1, "20 b\n40 d\n")
    assert names(pipes.reader.rest()) == ["a", "b", "c", "d"]


def test_what_another_cpu_may_still_precede_is_held_back(pipes: Pipes) -> None:
    pipes.put(0, "1000 a\n9000 late\n")
    pipes.now_ns = 5 * MS + 1 * MS
    assert names(pipes.reader.sweep()) == ["a"]
    assert pipes.reader.caught_up_ns == 5 * MS
    pipes.put(1, "6000 b\n")
    pipes.now_ns = 20 * MS
    assert names(pipes.reader.sweep()) == ["b", "late"]


def test_a_line_without_a_time_stays_behind_the_one_before_it_on_its_cpu(pipes: Pipes) -> None:
    pipes.put(0, "10 a\nlost\n30 c\n")
    pipes.put(1, "20 b\n")
    lines = pipes.reader.rest()
    assert names(lines) == ["a", "lost", "b", "c"]
    assert isinstance(lines[1], GraphLine) and lines[1].cpu == 0


def test_a_line_that_is_cut_in_two_by_a_read_is_put_together(pipes: Pipes) -> None:
    pipes.put(0, "10 a\n2")
    pipes.now_ns = 100 * MS
    assert names(pipes.reader.sweep()) == ["a"]
    pipes.put(0, "0 b\n")
    assert names(pipes.reader.sweep()) == ["b"]


def test_lines_of_the_same_microsecond_keep_the_order_of_their_cpu(pipes: Pipes) -> None:
    pipes.put(0, "10 a\n10 b\n10 c\n")
    assert names(pipes.reader.rest()) == ["a", "b", "c"]


def test_a_failure_to_read_is_not_taken_for_the_end(pipes: Pipes) -> None:
    broken = GraphReader({0: pipes.ends[0][1]}, parse)
    with pytest.raises(OSError):
        broken.sweep()
