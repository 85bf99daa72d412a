"""Sums from what the programs would keep, without a kernel."""

import struct
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, cast

from kdiag.ebpf.maps import Map
from kdiag.ftrace.syscall_sums import bucket_of
from kdiag.tools.syscount.maps import BUCKETS, FIRST_BUCKET, sums_in
from kdiag.tools.syscount.sums import Sum


class FakeMap:
    """Entries by key, each with a value for each CPU."""

    def __init__(self, entries: Mapping[bytes, List[bytes]]) -> None:
        self._entries = dict(entries)

    def items(self) -> Iterator[Tuple[bytes, List[bytes]]]:
        return iter(self._entries.items())

    def lookup(self, key: bytes) -> Optional[List[bytes]]:
        return self._entries.get(key)


def value(calls: int, errors: int, total: int, most: int, place: int) -> bytes:
    return struct.pack("=5Q", calls, errors, total, most, place)


def buckets(*times_ns: int) -> bytes:
    counts = [0] * BUCKETS
    for each in times_ns:
        counts[max(0, min(BUCKETS - 1, bucket_of(each) - FIRST_BUCKET))] += 1
    return struct.pack(f"={BUCKETS}Q", *counts)


def maps(calls: Any, errors: Any = (), times: Any = ()) -> Mapping[str, Map]:
    made = {"calls": FakeMap(calls), "errors": FakeMap(dict(errors)), "times": FakeMap(dict(times))}
    return cast(Mapping[str, Map], made)


def key(number: int) -> bytes:
    return struct.pack("=I", number)


def both(high: int, low: int) -> bytes:
    return struct.pack("=Q", high << 32 | low)


def one(value: int) -> List[bytes]:
    return [struct.pack("=Q", value), bytes(8)]


BY_CALL, BY_BOTH, BY_PROCESS = ({"by": by} for by in ("syscall", "both", "process"))
NONE = value(0, 0, 0, 0, 0)


def test_cpus_are_put_together_though_each_has_places_of_its_own() -> None:
    found = sums_in(
        maps(
            {key(0): [value(2, 1, 300, 200, 1), value(1, 0, 50, 50, 2)], key(1): [NONE, NONE]},
            {both(0, 0 << 16 | 2): one(1)},
            {key(0): [buckets(100, 200), buckets()], key(1): [buckets(), buckets(50)]},
        ),
        BY_CALL,
    )
    assert list(found) == [(None, 0)]
    each = found[None, 0]
    assert each == Sum(3, {2: 1}, 350, 200, {bucket_of(time): 1 for time in (50, 100, 200)})
    assert each.at_share(0.99) == 200


def test_errors_belong_to_their_process_and_call() -> None:
    found = sums_in(
        maps(
            {both(7, 257): [value(1, 1, 5, 5, 0), NONE], both(8, 257): [value(2, 2, 5, 5, 0), NONE]},
            {both(7, 257 << 16 | 2): one(1), both(8, 257 << 16 | 13): one(2)},
        ),
        BY_BOTH,
    )
    assert {where: dict(each.errors) for where, each in found.items()} == {
        (7, 257): {2: 1},
        (8, 257): {13: 2},
    }


def test_a_process_has_all_its_calls_in_one() -> None:
    calls: Dict[bytes, List[bytes]] = {both(7, 0): [value(3, 1, 5, 5, 0), NONE]}
    found = sums_in(maps(calls, {both(7, 4): one(1)}), BY_PROCESS)
    assert found[7, None].errors == {4: 1}


def test_times_without_a_place_make_no_percentile() -> None:
    calls = {key(0): [value(2, 0, 300, 200, 0), value(1, 0, 50, 50, 1)]}
    found = sums_in(maps(calls, times={key(0): [buckets(), buckets(50)]}), BY_CALL)
    assert found[None, 0].buckets == {}
