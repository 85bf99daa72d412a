"""Programs that BCC compiles and attaches, on this kernel, against loads of a number that is known."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from kdiag.ebpf.bcc.client import BccHook, BccProgram, attach
from kdiag.ebpf.bcc.collector import BccCollector, BccPlan, collect
from kdiag.ebpf.bcc.failures import BccError
from kdiag.ebpf.bcc.prelude import PRELUDE, flags
from kdiag.ebpf.btf import read_btf
from kdiag.ebpf.collector import Collector, possible_cpus
from kdiag.ebpf.maps import Map, MapSpec
from kdiag.ebpf.pieces import LOST_EVENTS, Watch
from kdiag.host.live import LiveHost
from tests.live.capabilities import as_nobody, nobody_python
from tests.live.traced import PROJECT, has, python

pytestmark = pytest.mark.needs("root", "BCC", "kernel's PIDs")

_ENTER = (BccHook("raw_tracepoint", "sys_enter", "enter"),)
_GETPPID = {"x86_64": 110, "aarch64": 173}[os.uname().machine]
_CALLS = 300
#: Waits until it may go, and makes no call of the kind that is counted before.
_WAIT = "import os, sys, threading\nos.read(0, 1)\n"
_CALL = f"for _ in range({_CALLS}): os.getppid()\n"
_FAMILY = f"""{_WAIT}
def work():
    {_CALL}
if not os.fork():
    work()
    os._exit(0)
os.wait()
thread = threading.Thread(target=work)
thread.start()
thread.join()
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", '''import os\n{_CALL}'''])
"""
_COUNT = """
BPF_HASH(calls, u32, u64, 4096);
int enter(struct bpf_raw_tracepoint_args *ctx) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    u64 zero = 0;
    u64 *count;
    if (ctx->args[1] != GETPPID || !watched())
        return 0;
    count = calls.lookup_or_try_init(&tgid, &zero);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        lost(NO_ROOM_IN_MAP);
    return 0;
}
"""
_SEND = """
struct event_t { u64 number; s32 stack; u32 tid; };
BPF_STACK_TRACE(stacks, 1024);
BPF_ARRAY(sent, u64, 1);
int enter(struct bpf_raw_tracepoint_args *ctx) {
    u32 zero = 0;
    u64 *number;
    struct event_t event = {};
    if (ctx->args[1] != GETPPID || !watched())
        return 0;
    number = sent.lookup(&zero);
    if (!number)
        return 0;
    event.number = *number;
    *number += 1;
    event.tid = (u32)bpf_get_current_pid_tgid();
    event.stack = stacks.get_stackid(ctx, BPF_F_USER_STACK);
    if (event.stack < 0)
        lost(LOST_STACKS);
    send(ctx, &event, sizeof(event));
    return 0;
}
"""
_CFLAGS = (f"-DGETPPID={_GETPPID}",)


class Load:
    """A command that waits until it may go."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def run(self) -> bytes:
        """Let it go and wait for its end."""
        output, _ = self.process.communicate(b"x", timeout=60)
        assert self.process.returncode == 0
        return output


Start = Callable[[str], Load]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start loads, and end those that have not run when the test ends."""
    loads: List[Load] = []

    def started(code: str) -> Load:
        loads.append(Load(code))
        return loads[-1]

    yield started
    for load in loads:
        load.process.kill()
        load.process.communicate()


@pytest.fixture
def family(start: Start) -> Load:
    return start(_FAMILY)


def collected(plan: BccPlan, follow: bool = True) -> BccCollector:
    """Return what BCC has loaded; the test is skipped where the kernel's memory may not be copied."""
    host = LiveHost()
    try:
        return collect(host, plan, Watch(follow, os.getpid()), read_btf(host) if follow else None)
    except BccError as error:
        skip_if_locked_down(error)
        raise


def skip_if_locked_down(error: BccError) -> None:
    if error.reason.startswith("programs may not copy kernel memory"):
        pytest.skip(error.reason)


def counts(collector: Collector) -> "dict[int, int]":
    return {
        struct.unpack("=I", key)[0]: struct.unpack("=Q", values[0])[0]
        for key, values in collector.maps["calls"].items()
    }


def follow(collector: Collector, pid: int) -> None:
    collector.follow(lambda: [pid])


def test_a_family_is_counted_to_the_last_call(family: Load) -> None:
    with collected(BccPlan(_COUNT, _ENTER, cflags=_CFLAGS)) as collector:
        follow(collector, family.pid)
        collector.attach()
        subprocess.run(python(f"import os\n{_CALL}"), check=True)  # nobody asked for this one
        family.run()
        collector.stop()
        assert sum(counts(collector).values()) == 3 * _CALLS
        # The thread and what was executed have the leader's process id, the child has its own.
        assert counts(collector)[family.pid] == 2 * _CALLS
        assert collector.losses().total == 0


def test_without_following_all_but_the_own_process_is_counted(family: Load) -> None:
    with collected(BccPlan(_COUNT, _ENTER, cflags=_CFLAGS), follow=False) as collector:
        collector.attach()
        family.run()
        os.getppid()
        collector.stop()
        assert counts(collector)[family.pid] == 2 * _CALLS
        assert os.getpid() not in counts(collector)


def test_the_process_that_runs_bcc_is_left_out(family: Load) -> None:
    # Attaching and detaching are calls of its own.
    text = _COUNT.replace("ctx->args[1] != GETPPID || ", "")
    collector = collected(BccPlan(text, _ENTER, cflags=_CFLAGS), follow=False)
    with collector:
        collector.attach()
        family.run()
        collector.stop()
        assert counts(collector)[family.pid] > 2 * _CALLS
        assert collector.process.pid not in counts(collector)


def test_an_id_that_somebody_else_gets_is_followed_no_more() -> None:
    with collected(BccPlan(_COUNT, _ENTER, cflags=_CFLAGS)) as collector:
        last = int(Path("/proc/loadavg").read_text().split()[-1])
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
        free = [
            each
            for each in range(last + 1, last + 3000)
            if each < most and not Path(f"/proc/{each}").exists()
        ]
        collector.attach()
        for tid in free:
            collector.maps["followed"].update(struct.pack("=I", tid), b"\1")
        other = subprocess.Popen(python(f"import os\n{_CALL}"))
        assert other.wait() == 0
        if other.pid not in free:
            pytest.skip("ids are not given in order here")
        collector.stop()
        assert other.pid not in counts(collector)


def test_nothing_is_counted_once_it_is_stopped(family: Load) -> None:
    with collected(BccPlan(_COUNT, _ENTER, cflags=_CFLAGS)) as collector:
        follow(collector, family.pid)
        collector.attach()
        collector.stop()
        family.run()
        assert counts(collector) == {}


def test_events_come_in_order_each_with_its_stack(family: Load) -> None:
    with collected(BccPlan(_SEND, _ENTER, events=True, cflags=_CFLAGS)) as collector:
        follow(collector, family.pid)
        collector.attach()
        family.run()
        collector.stop()
        events = [struct.unpack("=QiI", event) for event in collector.events(0)]
        assert sorted(number for number, _, _ in events) == list(range(3 * _CALLS))
        assert len({tid for _, _, tid in events}) == 3
        assert collector.losses().total == 0
        assert all(stack >= 0 for _, stack, _ in events)
        assert all(collector.stack(stack) for _, stack, _ in events[:5])


def test_events_that_do_not_fit_are_counted(start: Start) -> None:
    calls = 70_000  # of 8 bytes and 16, in a buffer of a MiB
    load = start(f"{_WAIT}for _ in range({calls}): os.getppid()")
    with collected(BccPlan(_SEND, _ENTER, events=True, cflags=_CFLAGS)) as collector:
        follow(collector, load.pid)
        collector.attach()
        load.run()
        collector.stop()
        read = len(list(collector.events(0)))
        assert 0 < read < calls
        assert collector.losses().events == calls - read


def test_a_perf_buffer_that_nobody_reads_loses_all_and_says_so(family: Load) -> None:
    host = LiveHost()
    offset = read_btf(host).offset("task_struct", "pid")
    cflags = flags(os.getpid(), follow_pid_offset=offset, events="perf_event_array")
    hooks = (*_ENTER, BccHook("raw_tracepoint", "sched_process_fork", "follow_fork"))
    try:
        attached = attach(BccProgram(PRELUDE + _SEND, (*cflags, *_CFLAGS), hooks))
    except BccError as error:
        skip_if_locked_down(error)
        raise
    with attached as process:
        cpus = possible_cpus(host)
        followed = Map(MapSpec("followed", "hash", 4, 1, 1), process.maps.pop("followed"), cpus)
        losses = Map(MapSpec("losses", "percpu_array", 4, 8, 4), process.maps.pop("losses"), cpus)
        followed.update(struct.pack("=I", family.pid), b"\1")
        family.run()
        assert losses.sums()[LOST_EVENTS] == 3 * _CALLS
        followed.close()
        losses.close()


def test_slots_are_bit_lengths(start: Start) -> None:
    values = [
        0,
        *(1 << bit for bit in range(64)),
        *((1 << bit) - 1 for bit in range(1, 65)),
        1000,
        1 << 33 | 7,
    ]
    text = f"""
BPF_ARRAY(at, u32, 1);
BPF_ARRAY(given, u64, {len(values)});
BPF_ARRAY(slots, u64, {len(values)});
int enter(struct bpf_raw_tracepoint_args *ctx) {{
    u32 zero = 0, index;
    u64 *value, *slot;
    u32 *next;
    if (ctx->args[1] != GETPPID || !watched())
        return 0;
    next = at.lookup(&zero);
    if (!next)
        return 0;
    index = *next;
    *next += 1;
    value = given.lookup(&index);
    slot = slots.lookup(&index);
    if (value && slot)
        *slot = slot_of(*value);
    return 0;
}}
"""
    load = start(f"{_WAIT}for _ in range({len(values)}): os.getppid()")
    with collected(BccPlan(text, _ENTER, cflags=_CFLAGS)) as collector:
        for index, value in enumerate(values):
            collector.maps["given"].update(struct.pack("=I", index), struct.pack("=Q", value))
        follow(collector, load.pid)
        collector.attach()
        load.run()
        collector.stop()
        slots = collector.maps["slots"].sums()
    assert slots == [value.bit_length() for value in values]


def test_arguments_of_system_calls_are_read_from_their_registers(start: Start) -> None:
    text = """
BPF_PERCPU_HASH(seen, u32, u64, 64);
static inline void keep(u64 registers, u32 index) {
    u64 value = syscall_argument(registers, index);
    seen.update(&index, &value);
}
int enter(struct bpf_raw_tracepoint_args *ctx) {
    u64 registers = ctx->args[0];
    if (ctx->args[1] != GETPPID || !watched())
        return 0;
    keep(registers, 0);
    keep(registers, 1);
    keep(registers, 2);
    keep(registers, 3);
    keep(registers, 4);
    keep(registers, 5);
    return 0;
}
"""
    given = [11, 22, 1 << 40, 44, 0, 66]
    wide = ", ".join(f"ctypes.c_long({value})" for value in (_GETPPID, *given))
    load = start(f"{_WAIT}import ctypes\nctypes.CDLL(None).syscall({wide})")
    with collected(BccPlan(text, _ENTER, cflags=_CFLAGS)) as collector:
        follow(collector, load.pid)
        collector.attach()
        load.run()
        collector.stop()
        assert collector.maps["seen"].spec.kind == "percpu_hash"
        seen = {
            key: sum(struct.unpack("=Q", each)[0] for each in values)
            for key, values in collector.maps["seen"].items()
        }
    assert [seen[struct.pack("=I", index)] for index in range(6)] == given


def test_a_kprobe_finds_the_arguments_in_the_registers(start: Start) -> None:
    reads, size = 23, 4093
    text = """
BPF_PERCPU_ARRAY(reads, u64, 1);
int on_read(struct pt_regs *ctx) {
    u32 zero = 0;
    u64 *count = reads.lookup(&zero);
    if (count && watched() && PT_REGS_PARM3(ctx) == SIZE)
        *count += 1;
    return 0;
}
"""
    load = start(f"{_WAIT}file = os.open('/dev/zero', 0)\nfor _ in range({reads}): os.read(file, {size})")
    plan = BccPlan(text, (BccHook("kprobe", "vfs_read", "on_read"),), cflags=(f"-DSIZE={size}",))
    with collected(plan, follow=False) as collector:  # nobody else reads so many bytes
        try:
            collector.attach()
        except BccError as error:
            assert not Path("/sys/bus/event_source/devices/kprobe").exists() or error.kernel_log
            assert error.step == "attach kprobe vfs_read"
            pytest.skip(error.reason)
        load.run()
        collector.stop()
        assert collector.maps["reads"].sums() == [reads]


def test_a_tracepoint_counts_wherever_tracefs_is_mounted(start: Start) -> None:
    ends = 23
    text = """
BPF_PERCPU_ARRAY(ends, u64, 1);
int on_exit(void *ctx) {
    u32 zero = 0;
    u64 *count = ends.lookup(&zero);
    if (count && watched())
        *count += 1;
    return 0;
}
"""
    load = start(f"{_WAIT}for _ in range({ends}):\n    os.fork() or os._exit(0)\n    os.wait()")
    plan = BccPlan(text, (BccHook("tracepoint", "sched:sched_process_exit", "on_exit"),))
    with collected(plan) as collector:
        follow(collector, load.pid)
        try:
            collector.attach()
        except BccError as error:
            load.run()
            assert not has("events/sched/sched_process_exit/id"), error.text
            pytest.skip(error.reason)
        load.run()
        collector.stop()
        assert collector.maps["ends"].sums() == [ends + 1]


def test_a_uprobe_counts_calls_of_a_library(family: Load) -> None:
    text = """
BPF_PERCPU_ARRAY(calls, u64, 2);
int at_entry(struct pt_regs *ctx) {
    u32 zero = 0;
    u64 *count = calls.lookup(&zero);
    if (count && watched())
        *count += 1;
    return 0;
}
int at_return(struct pt_regs *ctx) {
    u32 one = 1;
    u64 *count = calls.lookup(&one);
    if (count && watched() && PT_REGS_RC(ctx) > 0)
        *count += 1;
    return 0;
}
"""
    place = f"{_library()}:getppid"
    hooks = (BccHook("uprobe", place, "at_entry"), BccHook("uretprobe", place, "at_return"))
    with collected(BccPlan(text, hooks)) as collector:
        follow(collector, family.pid)
        try:
            collector.attach()
        except BccError as error:
            assert error.kernel_log, error.text
            pytest.skip(error.reason)
        family.run()
        collector.stop()
        assert collector.maps["calls"].sums() == [3 * _CALLS, 3 * _CALLS]


def _library() -> str:
    for line in Path("/proc/self/maps").read_text().split("\n"):
        if "/libc.so" in line or "/libc-" in line:
            return line.split()[-1]
    pytest.skip("this Python has no shared C library")


def test_a_clock_samples_who_runs(start: Start) -> None:
    text = """
BPF_HASH(samples, u32, u64, 4096);
int on_tick(void *ctx) {
    u32 tid = (u32)bpf_get_current_pid_tgid();
    u64 zero = 0;
    u64 *count = samples.lookup_or_try_init(&tid, &zero);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0;
}
"""
    load = start(
        f"{_WAIT}import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    )
    with collected(BccPlan(text, (BccHook("perf_event", "99", "on_tick"),)), follow=False) as collector:
        collector.attach()
        load.run()
        collector.stop()
        samples = collector.maps["samples"].lookup(struct.pack("=I", load.pid))
    assert samples is not None
    # Half a second of CPU time: 49 ticks, less where an emulated CPU takes them late.
    assert 10 <= struct.unpack("=Q", samples[0])[0] <= 75


def test_two_programs_on_one_tracepoint(family: Load) -> None:
    text = """
BPF_PERCPU_ARRAY(counts, u64, 2);
static inline void count(u32 which) {
    u64 *count = counts.lookup(&which);
    if (count && watched())
        *count += 1;
}
int first(struct bpf_raw_tracepoint_args *ctx) { if (ctx->args[1] == GETPPID) count(0); return 0; }
int second(struct bpf_raw_tracepoint_args *ctx) { if (ctx->args[1] == GETPPID) count(1); return 0; }
"""
    hooks = tuple(BccHook("raw_tracepoint", "sys_enter", name) for name in ("first", "second"))
    with collected(BccPlan(text, hooks, cflags=_CFLAGS)) as collector:
        follow(collector, family.pid)
        collector.attach()
        family.run()
        collector.stop()
        assert collector.maps["counts"].sums() == [3 * _CALLS, 3 * _CALLS]


def test_an_error_in_the_text_is_shown_with_its_line() -> None:
    with pytest.raises(BccError) as raised:
        attach(BccProgram("int f(void *ctx) { return nosuch; }", (), ()))
    assert (raised.value.step, raised.value.reason) == (
        "compile",
        "the program does not compile: use of undeclared identifier 'nosuch'",
    )
    assert "error: use of undeclared identifier 'nosuch'" in raised.value.text


def test_an_event_that_is_not_there_is_named() -> None:
    hook = BccHook("raw_tracepoint", "kdiag_nosuch", "f")
    with pytest.raises(BccError) as raised:
        attach(BccProgram("int f(void *ctx) { return 0; }", (), (hook,)))
    assert raised.value.reason == "this kernel has no tracepoint kdiag_nosuch"


def test_nothing_is_left_when_kdiag_is_killed(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from kdiag.ebpf.bcc.client import *\n"
        "hook = BccHook('raw_tracepoint', 'sched_process_exit', 'f')\n"
        "process = attach(BccProgram('int f(void *ctx) { return 0; }', (), (hook,)))\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    user = subprocess.Popen(
        (sys.executable, "-c", code),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert user.stdout is not None
    pid = int(user.stdout.readline())
    try:
        assert Path(f"/proc/{pid}").exists()
    finally:
        user.send_signal(signal.SIGKILL)
        user.communicate()
    end_s = time.monotonic() + 20
    while (
        Path(f"/proc/{pid}/exe").is_symlink() and _state_of(pid) not in ("Z", "") and time.monotonic() < end_s
    ):
        time.sleep(0.02)
    assert _state_of(pid) in ("Z", "")
    assert os.listdir(tmp_path) == []


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.needs("another user")
def test_an_ordinary_user_is_told_that_it_takes_root() -> None:
    interpreter = nobody_python()
    assert interpreter is not None
    code = (
        "from kdiag.ebpf.bcc.client import *\n"
        "from kdiag.ebpf.bcc.failures import BccError\n"
        "text = 'BPF_ARRAY(a, u64, 1); int f(void *ctx) { int z = 0; a.lookup(&z); return 0; }'\n"
        "try:\n"
        "    attach(BccProgram(text, (), (BccHook('raw_tracepoint', 'sched_process_exit', 'f'),)))\n"
        "except BccError as error:\n"
        "    print(error.reason)\n"
    )
    done = subprocess.run(as_nobody(interpreter, "-c", code), capture_output=True, text=True, check=False)
    assert done.stdout == "this takes root\n", done.stderr
