"""What an event costs to decode: both decoders, a summary, text, and trace-cmd, on the same pages."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Tuple

from bench.claims import Claim, Report, median, ratio
from bench.measure import CannotMeasure, environment, run_once
from bench.rounds import Rounds

__all__ = ["decoding", "make_pages"]

#: Aims: nanoseconds of CPU an event (a million, twenty million events a second), millions of bytes.
MOST_PURE_NS, MOST_NUMPY_NS, MOST_FLOW_MB = 1000.0, 50.0, 100.0
_PAGES = 5000
_EVENTS_A_PAGE = 84
_MOST_ROUNDS = 5
_WAYS = {
    "pure": "pure Python: records found, fields of system calls read",
    "numpy": "numpy: records found",
    "pure sums": "pure Python: the whole summary, begins and ends paired",
    "numpy sums": "numpy: the whole summary",
    "events": "an object for each event, CPUs merged",
    "text": "the kernel's text, one regular expression a line",
}
_TRACE_CMD = "trace-cmd report"


def make_pages(pages: int, enter: int, leave: int) -> Iterator[bytes]:
    """Yield pages of a program that reads and writes: each call's begin (64 bytes) and end (24 bytes)."""
    words: List[int] = []
    for call in range(_EVENTS_A_PAGE // 2):
        number = call % 2
        words += [16 | 150 << 5, enter, 4874, number, 0, *[7, 0] * 6]
        words += [6 | 250 << 5, leave, 4874, number, 0, 1, 0]
    data = struct.pack(f"={len(words)}I", *words)
    for page in range(pages):
        head = struct.pack("=QQ", 1_000_000_000 + page * 50_000, len(data))
        yield (head + data).ljust(4096, b"\0")


def decoding(rounds: Rounds) -> Report:
    """Measure the ways by turns, on the same events."""
    if sys.byteorder != "little":
        raise CannotMeasure("the bench makes its pages for little endian")
    number = min(rounds.rounds, _MOST_ROUNDS)
    rounds.say(f"{number} rounds of decoding {_PAGES * _EVENTS_A_PAGE} events")
    tracefs, why_not = _tracefs()
    enter, leave = _ids(tracefs)
    with tempfile.TemporaryDirectory(prefix="kdiag-bench-") as folder:
        file = os.path.join(folder, "pages")
        with open(file, "wb") as opened:
            opened.writelines(make_pages(_PAGES, enter, leave))
        recording = None
        if not why_not:
            recording, why_not = _recording_of_trace_cmd(folder, file, tracefs)
        costs: Dict[str, List[float]] = {way: [] for way in _WAYS}
        theirs: List[float] = []
        for _ in range(number):
            for way in _WAYS:
                told = _child(way, file, enter, leave)
                costs[way].append(told["cpu_s"] / told["events"] * 1e9)
            if recording is not None:
                theirs.append(_report_of_trace_cmd(recording) / (_PAGES * _EVENTS_A_PAGE) * 1e9)
        rounds.say("ten million events through a summary")
        peaks = {
            way: run_once(
                [sys.executable, _path("decode_pages.py"), way, file, str(enter), str(leave)]
            ).peak_rss_bytes
            for way in ("flow", "pure flow")
        }
    aims = {"pure": MOST_PURE_NS, "numpy": MOST_NUMPY_NS}
    claims = [
        Claim(f"an event, {what}", "ns", min(costs[way]), median(costs[way]), aims.get(way))
        for way, what in _WAYS.items()
    ]
    for way, what in (("pure", "pure Python"), ("numpy sums", "numpy's whole summary")):
        claims.append(_against(f"{what} against {_TRACE_CMD} of the same pages", costs[way], theirs, why_not))
        claims.append(
            _against(f"{what} against text and a regular expression", costs[way], costs["text"], "")
        )
    for way, what in (("flow", "with numpy"), ("pure flow", "pure Python")):
        text = f"peak resident memory, ten million events through a summary, {what}"
        claims.append(Claim(text, "MB", peaks[way] / 1e6, None, MOST_FLOW_MB))
    note = (
        f"{_TRACE_CMD} starts anew each time and formats its lines; the others are timed without their start."
    )
    return Report(
        "decoding", "What an event costs to decode (raw_syscalls, CPU time)", tuple(claims), (), (note,)
    )


def _against(what: str, ours: List[float], theirs: List[float], why_not: str) -> Claim:
    if not theirs:
        return Claim(what, "x", None, reason=why_not)
    return Claim(what, "x", ratio(min(ours), min(theirs)), ratio(median(ours), median(theirs)))


def _path(name: str) -> str:
    return os.path.join(os.path.dirname(__file__), "children", name)


def _child(way: str, file: str, enter: int, leave: int) -> Dict[str, Any]:
    command = [sys.executable, _path("decode_pages.py"), way, file, str(enter), str(leave)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise CannotMeasure(f"decoding, {way}: {done.stderr.strip()[-200:]}")
    told: Dict[str, Any] = json.loads(done.stdout)
    if told["events"] < _PAGES * _EVENTS_A_PAGE:
        raise CannotMeasure(f"decoding, {way}: only {told['events']} events were found")
    return told


def _tracefs() -> Tuple[Optional[Any], str]:
    """Return this machine's tracefs, or why trace-cmd cannot take part."""
    from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError, find_tracefs
    from kdiag.host.live import LiveHost

    if shutil.which("trace-cmd") is None:
        return None, "trace-cmd is not installed"
    try:
        return find_tracefs(LiveHost("/")), ""
    except (NoTraceFs, TraceFsError) as error:
        return None, f"trace-cmd needs this machine's formats: {error}"


def _ids(tracefs: Optional[Any]) -> Tuple[int, int]:
    """Return the ids of the two events on this kernel; without tracefs any will do."""
    if tracefs is None:
        return 361, 360
    enter, leave = (int(tracefs.read(f"events/raw_syscalls/{name}/id")) for name in ("sys_enter", "sys_exit"))
    return enter, leave


def _recording_of_trace_cmd(folder: str, file: str, tracefs: Any) -> Tuple[Optional[str], str]:
    """Have trace-cmd put the pages into a file of its own; return its path, or why there is none."""
    # As this process sees it, which may have tracefs mounted for itself alone.
    formats = tracefs.open_path("").replace("/proc/self/", f"/proc/{os.getpid()}/")
    head, whole = os.path.join(folder, "head.dat"), os.path.join(folder, "trace.dat")
    for command in (
        ["trace-cmd", "restore", "-c", "-t", formats, "-k", "/proc/kallsyms", "-o", head],
        ["trace-cmd", "restore", "-i", head, "-o", whole, file],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None, f"{' '.join(command[:2])}: {done.stderr.strip()[-200:]}"
    # Counted elsewhere: nobody's peak can be seen below that of the bench itself.
    with subprocess.Popen(["trace-cmd", "report", "-i", whole], stdout=subprocess.PIPE) as shown:
        counted = subprocess.run(["grep", "-c", " NR "], stdin=shown.stdout, capture_output=True, check=False)
    if int(counted.stdout or 0) < _PAGES * _EVENTS_A_PAGE:
        return None, f"{_TRACE_CMD} did not show the events that the pages hold"
    return whole, ""


def _report_of_trace_cmd(recording: str) -> float:
    """Return the CPU seconds of one report."""
    return run_once([shutil.which("trace-cmd") or "trace-cmd", "report", "-i", recording]).cpu_s
