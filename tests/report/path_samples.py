"""Documents of ``kdiag path`` for the schemas: of a recorded graph, and of what sampling and sums give."""

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.ftrace.syscall_sums import SyscallSum
from kdiag.path.acquire.sampling import Place, Samples
from kdiag.path.call import Capture, Outcome
from kdiag.path.diff import compare
from kdiag.path.result import summarize
from kdiag.report.path_diff import diff_document
from kdiag.report.path_json import path_document
from tests.path.graphs import result_of

__all__ = ["PATHS", "PATH_DIFFS"]

_HOST = {"name": "vm", "kernel": "6.18", "kind": "live", "root": "/"}


def _sampled() -> Outcome:
    outcome = Outcome()
    place = Place("read", "S", "pipe_read", ("pipe_read", "vfs_read"), 9, 1)
    outcome.samples = Samples(10, 10, 1, 1, 0, 1.0, (place,), ("stack: not permitted",))
    return outcome


def _summed() -> Outcome:
    outcome = Outcome()
    read = SyscallSum()
    read.calls, read.timed, read.total_ns, read.min_ns, read.max_ns = 3, 2, 50, 20, 30
    read.errors, read.buckets = {2: 1}, {70: 1, 90: 1}
    outcome.sums = {"read": read}
    return outcome


def _other(name: str, outcome: Outcome) -> Capture:
    choice = Choice(name, "what it gives", (PassedOver("function_graph", "not built in", "a kernel"),))
    return Capture(choice, "mono", iter(()), "cat", "exact", "inferred", outcome=outcome)


PATHS = (
    path_document(result_of("7.2-full/openat-enoent.retval-args.txt", "failing"), _HOST),
    path_document(result_of("6.12-retval/openat-enoent.retval-end-lost.txt"), None),
    path_document(result_of("6.12-retval/read-ext4.default.txt", "nth", 99), None),
    path_document(summarize("read", _other("samples", _sampled())), _HOST),
    path_document(summarize("all system calls", _other("raw_syscalls", _summed())), _HOST),
    path_document(summarize("read", _other("stitch", Outcome())), _HOST),
)
_ONE, _TWO = "7.2-full/openat-enoent.retval.txt", "6.12-retval/openat-enoent.retval.txt"
PATH_DIFFS = (
    diff_document(compare(result_of(_ONE), result_of(_TWO)), (_ONE, _TWO)),
    diff_document(compare(result_of(_ONE), result_of(_ONE)), (_ONE, _ONE)),
)
