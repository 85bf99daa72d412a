from typing import Any, Dict

import pytest

from kdiag.tools.syscall_options import check_filters, wanted_numbers
from kdiag.tools.tool import BadOption


def options(*names: str, **more: bool) -> Dict[str, Any]:
    return {"names": names, "successful": False, "failed": False, **more}


def test_all_calls_are_wanted_unless_some_are_named() -> None:
    assert wanted_numbers(options(), "x86_64") is None
    assert wanted_numbers(options(" , "), "x86_64") is None


def test_names_mean_what_programs_do_today() -> None:
    assert wanted_numbers(options("open,read", "500"), "x86_64") == frozenset((0, 2, 257, 500))
    assert wanted_numbers(options("open"), "aarch64") == frozenset((56,))


def test_numbers_will_do_where_names_are_not_known() -> None:
    assert wanted_numbers(options("3,4"), "sparc64") == frozenset((3, 4))
    with pytest.raises(BadOption, match="give numbers"):
        wanted_numbers(options("read"), "sparc64")


@pytest.mark.parametrize("word", ["nosuch", "512", "-1", "read;"])
def test_what_no_call_is_called_is_refused(word: str) -> None:
    with pytest.raises(BadOption, match="no system call"):
        wanted_numbers(options(word), "x86_64")


def test_filters_that_leave_nothing_are_refused() -> None:
    check_filters(options(failed=True))
    with pytest.raises(BadOption, match="-z leaves out"):
        check_filters(options(failed=True, successful=True))
