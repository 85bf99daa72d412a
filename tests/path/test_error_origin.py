import errno
from typing import List, Optional, Tuple

import pytest

from kdiag.path.call import Call, SyscallCall
from kdiag.path.error_origin import PARTIAL, error_origin
from tests.path.graphs import calls_of

#: (kernel, scenario) -> of each call that fails: error, function that made it, its callers up to the root.
_OPEN_612 = ("path_openat", "do_filp_open", "do_sys_openat2", "__x64_sys_openat")
_OPEN_72 = ("path_openat", "do_file_open", "do_sys_openat2", "__x64_sys_openat")
_READ = ("vfs_read", "ksys_read", "__x64_sys_read")
_SAME_READS = [
    (errno.EISDIR, "generic_read_dir", _READ),
    (errno.EBADF, "vfs_read", _READ[1:]),
    (errno.EFAULT, "read_zero", _READ),
]
ANSWERS = {
    ("6.12-retval", "openat-enoent"): [
        (errno.ENOENT, "step_into", _OPEN_612),
        (errno.ENOENT, "step_into", _OPEN_612),
        (errno.ENOENT, "step_into", ("walk_component", "link_path_walk.part.0.constprop.0", *_OPEN_612)),
    ],
    ("6.12-retval", "openat-errors"): [
        (errno.ENOTDIR, "link_path_walk.part.0.constprop.0", _OPEN_612),
        (errno.EACCES, "generic_permission", ("inode_permission", "may_open", *_OPEN_612)),
        (errno.EFAULT, "getname_flags", ("getname", *_OPEN_612[2:])),
        (errno.EBADF, "path_init", _OPEN_612),
    ],
    ("6.12-retval", "read-ext4"): _SAME_READS,
    ("7.2-full", "openat-enoent"): [
        (errno.ENOENT, "step_into_slowpath", _OPEN_72),
        (errno.ENOENT, "path_openat", _OPEN_72[1:]),
        (errno.ENOENT, "step_into_slowpath", ("link_path_walk", *_OPEN_72)),
    ],
    ("7.2-full", "openat-errors"): [
        (errno.ENOTDIR, "link_path_walk", _OPEN_72),
        (errno.EACCES, "generic_permission", ("inode_permission", "may_open", *_OPEN_72)),
        (errno.EFAULT, "do_getname.constprop.0", ("getname_flags", *_OPEN_72[2:])),
        (errno.EBADF, "path_init", _OPEN_72),
    ],
    ("7.2-full", "read-ext4"): _SAME_READS,
}
_WITH_ARGS = ("retval-args", "all", "all-hex")
_WITHOUT_ARGS = ("retval", "retval-hex", "retval-retaddr")


def cases(variants: Tuple[str, ...]) -> List[Tuple[str, str, str]]:
    from tests.ftrace.captures import CAPTURES

    return [
        (kernel, scenario, variant)
        for kernel, scenario in ANSWERS
        for variant in variants
        if (CAPTURES / kernel / f"{scenario}.{variant}.txt").exists()
    ]


@pytest.mark.parametrize("kernel, scenario, variant", cases((*_WITH_ARGS, *_WITHOUT_ARGS)))
def test_every_error_is_traced_to_the_function_that_made_it(kernel: str, scenario: str, variant: str) -> None:
    origins = [error_origin(call) for call in calls_of(f"{kernel}/{scenario}.{variant}.txt")]
    found = [
        (origin.errno, origin.function, origin.callers, origin.certainty) for origin in origins if origin
    ]
    wanted = [(*answer, "exact") for answer in ANSWERS[kernel, scenario]]
    if (kernel, scenario) == ("7.2-full", "openat-enoent") and variant in _WITHOUT_ARGS:
        # Its maker is inlined; that link_path_walk was given the error, arguments alone tell.
        wanted[1] = (errno.ENOENT, "link_path_walk", _OPEN_72, "first seen")
    assert found == wanted


@pytest.mark.parametrize("variant", _WITH_ARGS)
def test_a_function_that_was_given_the_error_only_handed_it_back(variant: str) -> None:
    first, second, third = (error_origin(call) for call in calls_of(f"7.2-full/openat-enoent.{variant}.txt"))
    assert first is not None and second is not None and third is not None
    assert (first.handed_back, first.inlined) == (("link_path_walk",), False)
    assert (second.handed_back, second.inlined) == (("link_path_walk",), True)
    assert third.handed_back == ()


def test_where_arguments_are_not_shown_the_doubt_is_told() -> None:
    origin = error_origin(calls_of("7.2-full/openat-enoent.retval.txt")[1])
    assert origin is not None
    assert origin.words.startswith("link_path_walk may only hand back what it was given")


def call(errno_: Optional[int], root: Optional[Call]) -> SyscallCall:
    return SyscallCall("x", 1, "c", 0, 10, None if errno_ is None else -errno_, errno_, "", root)


def node(function: str, retval: Optional[int], *children: Call, args: str = "") -> Call:
    made = Call(function, duration_ns=1, retval=retval, args=args)
    made.children = list(children)
    return made


def test_without_return_values_it_cannot_be_known() -> None:
    origin = error_origin(call(2, node("root", -2, node("inner", None))))
    assert origin is not None
    assert (origin.certainty, origin.function) == ("unknown", "")
    assert "no return values" in origin.words


def test_a_call_that_did_not_fail_has_no_origin() -> None:
    assert error_origin(call(None, node("root", 0))) is None


def test_what_a_void_function_leaves_in_the_register_is_no_error() -> None:
    root = node("root", -2, node("worker", 0, node("helper", 0)), node("kfree", -2), node("mutex_unlock", -2))
    origin = error_origin(call(2, root))
    assert origin is not None
    assert (origin.function, origin.inlined) == ("root", True)


def test_an_error_that_was_dealt_with_is_not_the_one_that_came_out() -> None:
    dealt_with = node("first_try", -11)
    went_on = node("wait_for_it", 0)
    second = node("second_try", -11, node("inner", -11))
    origin = error_origin(call(11, node("root", -11, dealt_with, went_on, second)))
    assert origin is not None
    assert (origin.function, origin.callers) == ("inner", ("second_try", "root"))


def test_errors_in_32_bits_are_errors() -> None:
    origin = error_origin(call(2, node("root", 0xFFFFFFFE, node("inner", 0xFFFFFFFE))))
    assert origin is not None
    assert origin.function == "inner"


def test_interrupts_are_not_searched() -> None:
    noise = node("__sysvec_apic_timer_interrupt", -2, node("hrtimer_interrupt", -2))
    origin = error_origin(call(2, node("root", -2, noise, node("inner", -2))))
    assert origin is not None
    assert origin.function == "inner"


def test_with_probes_on_some_functions_only_the_rest_is_told_as_unknown() -> None:
    root = node("root", -2, node("probed", -2, node("not_probed", None)))
    origin = error_origin(call(2, root))
    assert origin is not None
    assert (origin.function, origin.certainty) == ("probed", "first seen")
    assert origin.words == "what not_probed returned is not known"


def test_of_stitched_stacks_an_event_may_tell_it() -> None:
    root, inner = node("root", None), node("sk_error_report", -111)
    inner.inferred = True
    inner.notes = ["here sock:inet_sk_error_report said ECONNREFUSED, the first event to do so"]
    root.children = [inner]
    origin = error_origin(call(111, root))
    assert origin is not None
    assert (origin.function, origin.certainty) == ("sk_error_report", "inferred")


def test_of_stitched_stacks_the_begin_of_cleaning_up_bounds_it() -> None:
    root, inner = node("root", None), node("do_filp_open", None)
    inner.inferred = True
    root.children = [inner]
    root.notes = [
        "all that it still did before it returned ENOENT was to release things, from "
        "__fput_deferred < path_openat < do_filp_open on"
    ]
    origin = error_origin(call(2, root))
    assert origin is not None
    assert (origin.function, origin.callers) == ("path_openat", ("do_filp_open", "root"))
    assert origin.certainty == "inferred"


def test_among_probed_functions_the_deepest_one_is_only_the_first_that_was_seen() -> None:
    inner = Call("path_openat", retval=-2)
    root = Call("sys_openat", retval=-2)
    root.children.append(inner)
    root.notes.append(PARTIAL)
    origin = error_origin(SyscallCall("openat", 7, "x", 0, 1, -2, 2, "", root))
    assert origin is not None
    assert (origin.certainty, origin.function) == ("first seen", "path_openat")
    assert "without a probe" in origin.words
