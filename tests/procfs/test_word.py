from kdiag.procfs.word import parse_word
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere


def test_the_first_line_is_the_word() -> None:
    assert parse_word(b"kvm-clock\n").value == "kvm-clock"


def test_an_empty_file_has_no_word() -> None:
    assert parse_word(b"").value is None
    assert parse_word(b"\n").value is None


def test_bytes_that_are_not_utf_8_survive() -> None:
    assert parse_word(b"h\xffst\n").value == "h\udcffst"


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_word, b"0f2b6f1c-6c0e-4b7e-9d57-2f1b5f0a4c11\n")
    holds_for_any_bytes(parse_word, b"tsc\n")
