from bench.forks import started_processes

EXECVE = '411   execve("/usr/bin/kdiag", ["kdiag"], 0x7ffd /* 9 vars */) = 0\n'


def test_a_run_without_children_starts_none() -> None:
    assert started_processes(EXECVE) == []


def test_a_child_is_counted() -> None:
    line = "411   clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7fa5) = 412"
    assert started_processes(f"{EXECVE}{line}\n") == [line]


def test_a_call_that_strace_split_is_counted_once() -> None:
    end = "411   <... vfork resumed>)                 = 412"
    assert started_processes(f"{EXECVE}411   vfork( <unfinished ...>\n{EXECVE}{end}\n") == [end]


def test_threads_and_calls_that_failed_are_no_processes() -> None:
    trace = (
        "411   clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 412\n"
        "411   clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0} <unfinished ...>\n"
        "411   <... clone3 resumed> => {parent_tid=[413]}, 88) = 413\n"
        "411   fork()                            = -1 EAGAIN (Resource temporarily unavailable)\n"
    )
    assert started_processes(trace) == []
