"""Disks and swap under a load that lasts, against the kernel's own counters around the same time."""

import contextlib
import os
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from tests.live import loads
from tests.live.groups import memory_hierarchy, new_group
from tests.live.looking import Look, look
from tests.live.scratch import Scratch, scratch

WRITERS = 2
SWAP_BYTES = 96 << 20


def vmstat(name: str) -> int:
    """Return a counter of /proc/vmstat."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        key, _, number = line.partition(" ")
        if key == name:
            return int(number)
    raise AssertionError(f"/proc/vmstat has no {name}")


def stall_us(resource: str) -> int:
    """Return how long some task has waited for a resource."""
    some = Path(f"/proc/pressure/{resource}").read_text().splitlines()[0]
    return int(some.rpartition("total=")[2])


def _scratch() -> Scratch:
    found = scratch()
    assert isinstance(found, Scratch)
    return found


@pytest.mark.needs("disk", "PSI")
def test_tasks_that_wait_for_a_disk_are_pressure() -> None:
    def write(path: Path, ready: loads.Ready) -> None:
        path.write_bytes(bytes(64 << 10))
        ready("")
        while True:
            loads.write_around_the_cache(str(path), 1, 64 << 10)

    paths = [Path(f"{_scratch().folder}/writer-{number}") for number in range(WRITERS)]
    with contextlib.ExitStack() as stack:
        for path in paths:
            stack.enter_context(loads.child(partial(write, path), "kd-writer"))
        time.sleep(0.5)
        before_us = stall_us("io")
        seen = look(interval_s=2.0)
        after_us = stall_us("io")
    for path in paths:
        path.unlink()
    row = seen.row("pressure", "Pressure (time lost waiting)", resource="io", kind="some")
    assert row["window_pct"] > 0
    seen.assert_within(row["window_pct"] / 100 * 1e6, 0, after_us - before_us)
    disk = seen.row("disks", "Disks", disk=_scratch().disk)
    assert disk["queue"] > 0 and disk["util_pct"] > 20
    assert disk["written_kib_per_s"] == pytest.approx(64 * disk["writes_per_s"], rel=0.5)


class Swapped(NamedTuple):
    """A snapshot while a group with little memory swaps, and the kernel's own numbers around it."""

    look: Look
    area: str
    out_pages: int
    in_pages: int


@pytest.fixture(scope="module")
def swapped() -> Iterator[Swapped]:
    """Let a process touch more memory than its group may have, again and again."""
    area = f"{_scratch().folder}/swap"
    with open(area, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, SWAP_BYTES)
    os.chmod(area, 0o600)
    subprocess.run(["mkswap", area], check=True, capture_output=True, timeout=60)
    subprocess.run(["swapon", area], check=True, timeout=60)
    hierarchy = memory_hierarchy()
    assert hierarchy is not None
    try:
        with new_group(hierarchy, "swap") as group:
            group.limit_memory(32 << 20)

            def touch(ready: loads.Ready) -> None:
                group.enter()
                held = bytearray(64 << 20)
                ready("")
                while True:
                    for offset in range(0, len(held), loads.PAGE):
                        held[offset] = 1

            with loads.child(touch, "kd-swap"):
                time.sleep(3)
                out_pages, in_pages = vmstat("pswpout"), vmstat("pswpin")
                seen = look(interval_s=2.0)
                out_pages, in_pages = vmstat("pswpout") - out_pages, vmstat("pswpin") - in_pages
        yield Swapped(seen, area, out_pages, in_pages)
    finally:
        subprocess.run(["swapoff", area], check=True, timeout=300)
        os.unlink(area)


@pytest.mark.needs("swap")
def test_swapping_is_counted_and_warned_of(swapped: Swapped) -> None:
    title = "Swapping, faults and reclaim"
    for counter, most in (("pswpout", swapped.out_pages), ("pswpin", swapped.in_pages)):
        per_s = swapped.look.row("reclaim", title, counter=counter)["count_per_s"]
        assert per_s > 0, counter
        swapped.look.assert_within(per_s, 0, most)
    found = swapped.look.finding("mem.swap_io")
    # Critical only where memory pressure over a minute, or what is available, says so too.
    assert found["status"] in ("warning", "critical")
    assert found["value"] > 10


@pytest.mark.needs("swap")
def test_a_swap_area_is_shown_with_what_is_used_of_it(swapped: Swapped) -> None:
    row = swapped.look.row("swap", "Swap areas", area=swapped.area)
    assert row["kind"] == "file"
    assert row["size_kib"] == pytest.approx(SWAP_BYTES >> 10, abs=8)
    # The half of the process's memory that its group has no room for, at least; a page may be in both.
    assert (24 << 10) <= row["used_kib"] <= SWAP_BYTES >> 10
