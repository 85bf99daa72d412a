"""Trees joined with the calls that they are trees of."""

from typing import List, Optional, Tuple

from kdiag.path.acquire.graph_join import Joiner, Span, Tree
from kdiag.path.call import Call

MS = 1_000_000


def span(start_ns: int, end_ns: Optional[int], tid: int = 7) -> Span:
    return Span("read", tid, start_ns, end_ns, 0)


def tree(start_ns: int, end_ns: Optional[int], tid: int = 7) -> Tree:
    return Tree(tid, "x", start_ns, end_ns, Call("__x64_sys_read"))


def joined(joiner: Joiner) -> List[Tuple[Optional[int], Optional[int]]]:
    return [
        (each.span.start_ns if each.span else None, each.tree.start_ns if each.tree else None)
        for each in joiner.rest()
    ]


def test_a_tree_belongs_to_the_call_that_encloses_it() -> None:
    joiner = Joiner()
    for start in (1000, 11_000):
        joiner.tree(tree(start + 1000, start + 3000))
        joiner.span(span(start, start + 5000))
    assert joined(joiner) == [(1000, 2000), (11_000, 12_000)]


def test_the_text_is_cut_to_microseconds_and_may_seem_to_begin_before_its_call() -> None:
    joiner = Joiner()
    joiner.tree(tree(5000, 6000))
    joiner.span(span(5400, 6900))
    assert joined(joiner) == [(5400, 5000)]


def test_a_call_without_a_tree_does_not_take_that_of_the_next_one() -> None:
    joiner = Joiner()
    joiner.tree(tree(21_000, 23_000))
    joiner.span(span(1000, 5000))
    joiner.span(span(20_000, 25_000))
    assert joined(joiner) == [(1000, None), (20_000, 21_000)]
    assert joiner.spans_without_tree == 1


def test_a_tree_without_a_call_is_given_alone() -> None:
    joiner = Joiner()
    joiner.tree(tree(1000, 2000))
    joiner.tree(tree(21_000, 23_000))
    joiner.span(span(20_000, 25_000))
    assert joined(joiner) == [(None, 1000), (20_000, 21_000)]
    assert joiner.trees_without_span == 1


def test_threads_are_kept_apart() -> None:
    joiner = Joiner()
    joiner.tree(tree(1000, 2000, tid=8))
    joiner.span(span(900, 2100, tid=7))
    assert joined(joiner) == [(900, None), (None, 1000)]


def test_a_call_waits_until_its_tree_must_have_been_read() -> None:
    joiner = Joiner()
    joiner.tree(tree(1000, 2000))
    joiner.span(span(900, 2100))
    assert list(joiner.ready(MS)) == []
    assert len(list(joiner.ready(2100 + MS))) == 1


def test_a_call_that_never_ends_gets_its_open_tree() -> None:
    joiner = Joiner()
    joiner.tree(tree(1000, None))
    joiner.span(span(900, None))
    assert joined(joiner) == [(900, 1000)]
