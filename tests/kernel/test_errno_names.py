import errno
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.kernel.errno_names import ERRORS, errno_of_retval, name_of, number_of, text_of


@pytest.mark.skipif(sys.platform != "linux", reason="numbers of Linux")
def test_the_table_is_this_machine_s_own_up_to_the_kernel_s_private_numbers() -> None:
    own = {number for number in errno.errorcode if number < 512}
    assert own <= set(ERRORS)
    for number in own:
        assert getattr(errno, name_of(number)) == number
        assert text_of(number) == os.strerror(number)


def test_numbers_that_only_the_kernel_sees_have_names() -> None:
    assert name_of(-512) == "ERESTARTSYS"
    assert name_of(516) == "ERESTART_RESTARTBLOCK"
    assert name_of(524) == "ENOTSUPP"


@given(st.sampled_from(sorted(ERRORS)))
def test_a_name_leads_back_to_its_number(number: int) -> None:
    assert number_of(name_of(number)) == number
    assert number_of(f"-{number}") == number


@pytest.mark.parametrize("word", ["", "-", "0", "4096", "ENOSUCH", "²", "1.5"])
def test_what_is_no_errno_is_none(word: str) -> None:
    assert number_of(word) is None


def test_only_the_range_of_errors_is_an_error() -> None:
    assert [errno_of_retval(value) for value in (-1, -4095, -4096, 0, 7, 4294967294)] == [
        1,
        4095,
        None,
        None,
        None,
        None,
    ]
