import pytest

from kdiag.procfs.limit import Limit, limit_of_number, limit_of_token

NO_LIMIT = Limit(None, unlimited=True)


@pytest.mark.parametrize("token", [b"max", b"unlimited", b"-1"])
def test_the_kernels_words_for_no_limit_are_known(token: bytes) -> None:
    assert limit_of_token(token) == NO_LIMIT


@pytest.mark.parametrize(
    "number",
    [
        9223372036854771712,  # pages of 4 KiB
        9223372036854710272,  # pages of 64 KiB
        9223372036854775807,
        18446744073709551615,
    ],
)
def test_a_number_about_2_to_the_63_is_no_limit(number: int) -> None:
    assert limit_of_number(number) == NO_LIMIT
    assert limit_of_token(b"%d" % number) == NO_LIMIT


def test_a_number_is_a_limit_and_so_is_zero() -> None:
    assert limit_of_token(b"0") == Limit(0, unlimited=False)
    assert limit_of_token(b"%d" % 2**62) == Limit(2**62)


def test_anything_else_is_not_known_which_is_not_the_same_as_unlimited() -> None:
    for token in (b"", b"-2", b"MAX", b"1k", b"1 2"):
        assert limit_of_token(token) is None
