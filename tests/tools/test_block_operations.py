import pytest

from kdiag.tools.block_operations import OperationBits, letters

#: As on Linux 6.18.
BITS = OperationBits(
    {0: "R", 1: "W", 2: "F", 3: "D", 5: "DE", 9: "WZ"},
    ((17, "F"), (19, "A"), (11, "S"), (12, "M"), (27, "U")),
    18,
)


@pytest.mark.parametrize(
    ("cmd_flags", "expected"),
    [
        (0, "R"),
        (1 | 1 << 11 | 1 << 12, "WSM"),
        (1 | 1 << 18 | 1 << 17 | 1 << 11, "FWFS"),
        (2 | 1 << 18, "FF"),
        (1 << 19, "RA"),
        (3 | 1 << 11, "DS"),
        (9, "WZ"),
        (34, "N"),
        # Bits that have no letter do not show.
        (1 | 1 << 14 | 1 << 24, "W"),
    ],
)
def test_letters_are_those_of_the_kernel(cmd_flags: int, expected: str) -> None:
    assert letters(BITS, cmd_flags) == expected


def test_the_mask_keeps_all_that_has_a_letter() -> None:
    flags = 3 | 1 << 17 | 1 << 18 | 1 << 27
    assert BITS.mask & flags == flags
    assert not BITS.mask & (1 << 14 | 1 << 24)


def test_a_kernel_without_a_flag_has_the_others() -> None:
    assert letters(BITS._replace(preflush=None, flags=((11, "S"),)), 1 | 1 << 18 | 1 << 11) == "WS"
