"""Events of BPF programs as they come, with a mark where some did not fit."""

import time
from typing import Iterator, Union

from kdiag.ebpf.collector import Collector
from kdiag.tools.run import Run
from kdiag.tools.tool import LostHere

__all__ = ["events_of"]

_ROUND_S = 0.05


def events_of(run: Run, collector: Collector) -> Iterator[Union[bytes, LostHere]]:
    """Yield events until it ends, and then what is left of them."""
    lost = 0
    last = run.dry_run
    while not last:
        last = run.ending()
        if last:
            collector.stop()
        began_s = time.monotonic()
        yield from collector.events(0 if last else _ROUND_S)
        told = collector.losses().events
        if told > lost:
            yield LostHere(told - lost)
            lost = told
        # Where events come all the time, each look would find a few: a little later there are many.
        left_s = _ROUND_S / 5 - (time.monotonic() - began_s)
        if left_s > 0 and not last:
            time.sleep(left_s)
