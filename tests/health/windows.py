"""Windows over hosts made for a test: the quiet host with a few of its files changed."""

from typing import Mapping, Optional, Sequence

from kdiag.health.acquire import Scope, take_sample
from kdiag.health.window import Window
from kdiag.host.base import Facts
from kdiag.host.memory import Content, MemoryHost
from tests.health.overlay import quiet_files

#: The facts of the quiet host, and those of a bare copy of /proc, which tells none.
QUIET_FACTS = Facts(
    clock_ticks_per_s=100,
    page_size_bytes=4096,
    byte_order="little",
    wall_clock_ns=1_700_000_000_000_000_000,
    reader_pid=1000,
    reader_euid=0,
)
BARE_FACTS = Facts()


def window_of(
    first: Optional[Mapping[str, Content]] = None,
    last: Optional[Mapping[str, Content]] = None,
    *,
    facts: Facts = QUIET_FACTS,
    once: bool = False,
    interval_s: float = 1.0,
    sections: Sequence[str] = (),
) -> Window:
    """Look at the quiet host, with some files changed in its first and its last reading."""
    moments = [{**quiet, **(changes or {})} for quiet, changes in zip(quiet_files(), (first, last))]
    host = MemoryHost(moments[1:] if once else moments, facts=facts, interval_s=interval_s, users={0: "root"})
    scope = Scope(True, tuple(sections))
    if once:
        return Window(None, take_sample(host, scope))
    before = take_sample(host, scope._replace(last=False))
    host.advance(interval_s)
    return Window(before, take_sample(host, scope, before))
