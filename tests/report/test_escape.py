import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.procfs.text import decode
from kdiag.report.escape import encodable, markdown, markdown_code, nagios, printable, unicode_only

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40) | st.binary(max_size=40).map(decode)
ENCODINGS = ("utf-8", "ascii", "latin-1", "cp1252", "euc-jp", "shift_jis")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x00\t\x7f", r"a\x00\x09\x7f"),
        ("\x9b31m", r"\x9b31m"),  # CSI as one C1 character
        (decode(b"\xff\x1b]0;x\x07"), r"\xff\x1b]0;x\x07"),
        ("\u202e\u2066\u200b\ufeff", r"\u202e\u2066\u200b\ufeff"),
        ("a\u2028b\u2029c\x85", r"a\u2028b\u2029c\x85"),  # what str.splitlines takes for line ends
        ("\u3164\u2800\ufe0f", r"\u3164\u2800\ufe0f"),  # printable for Python, nothing on a screen
        ("\U000e0041", r"\U000e0041"),
        ("größe 木", "größe 木"),
        (r"dev-disk-by\x2duuid.swap", r"dev-disk-by\x2duuid.swap"),
    ],
)
def test_what_does_not_show_is_written_out(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(ANY_TEXT)
def test_any_name_becomes_one_printable_line(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


@given(ANY_TEXT, st.sampled_from(ENCODINGS))
def test_any_name_can_be_printed_in_any_encoding(name: str, encoding: str) -> None:
    shown = encodable(printable(name), encoding)
    shown.encode(encoding)
    assert shown.isprintable()


@given(ANY_TEXT)
def test_json_is_given_no_lone_surrogate_and_all_else_as_it_is(name: str) -> None:
    shown = unicode_only(name)
    shown.encode("utf-8")
    if not any("\ud800" <= char <= "\udfff" for char in name):
        assert shown == name


@given(ANY_TEXT)
def test_no_name_opens_a_link_a_tag_or_a_table_cell_in_markdown(name: str) -> None:
    shown = markdown(name)
    assert shown.isprintable()
    left = shown.replace("\\\\", "")
    for char in "`*_[]<>|~&#$":
        assert left.count(char) == left.count("\\" + char)


@pytest.mark.parametrize(
    ("text", "paragraph"),
    [
        ("- a", r"\- a"),
        ("  + a", r"\+ a"),
        ("12. a", r"12\. a"),
        ("3) a", r"3\) a"),
        ("===", r"\==="),
        ("# a", r"\# a"),
        ("> a", r"\> a"),
        ("    code", "code"),
        ("-5", "-5"),
        ("-", "-"),
        ("1.5 a", "1.5 a"),
    ],
)
def test_a_paragraph_stays_a_paragraph(text: str, paragraph: str) -> None:
    assert markdown(text) == paragraph


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("oom_kill 3", "`oom_kill 3`"),
        ("`` and `", "``` `` and ` ```"),
        (" padded", "`  padded `"),
        ("", ""),
    ],
)
def test_a_code_span_ends_where_its_text_does(text: str, span: str) -> None:
    assert markdown_code(text) == span


@given(ANY_TEXT)
def test_no_name_begins_the_perfdata(name: str) -> None:
    assert not set(nagios(name)) & set("|;\n")
    assert nagios(name).isprintable()
