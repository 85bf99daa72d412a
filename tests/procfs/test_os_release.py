import pytest

from kdiag.procfs.os_release import OsRelease, parse_os_release
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes

DEBIAN_12 = b"""\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
ID=debian
HOME_URL="https://www.debian.org/"
"""
WANTED = "NAME=value, quoted as a shell wants it"


def test_the_names_of_the_distribution_are_read_and_the_rest_is_kept() -> None:
    assert parse_os_release(DEBIAN_12) == OsRelease(
        pretty_name="Debian GNU/Linux 12 (bookworm)",
        name="Debian GNU/Linux",
        id="debian",
        id_like=None,
        version_id="12",
        extra={"VERSION": "12 (bookworm)", "HOME_URL": "https://www.debian.org/"},
    )


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"plain", "plain"),
        (b"", ""),
        (b'""', ""),
        (b"''", ""),
        (b"'rhel centos fedora'", "rhel centos fedora"),
        (b"'a\\b\"$'", 'a\\b"$'),
        (b'"a \\"b\\" \\$c \\`d\\` \\\\e \\f"', 'a "b" $c `d` \\e \\f'),
        (b"cpe:/o:x:y:9::baseos ", "cpe:/o:x:y:9::baseos"),
        (b'"Entwicklung \xc3\xa4 \xff"', "Entwicklung ä \udcff"),
        (b'"a=b # c"', "a=b # c"),
    ],
)
def test_values_are_unquoted_as_a_shell_does_it(raw: bytes, value: str) -> None:
    parsed = parse_os_release(b"ID_LIKE=" + raw + b"\n")
    assert (parsed.id_like, parsed.problems) == (value, ())


def test_comments_and_empty_lines_are_passed_over_and_the_last_assignment_counts() -> None:
    parsed = parse_os_release(b"# made by hand\n\n  ID=one\n\t#ID=two\nID=three\n")
    assert (parsed.id, parsed.extra, parsed.problems) == ("three", {}, ())


def test_a_last_line_without_a_newline_is_used() -> None:
    parsed = parse_os_release(b"ID=alpine\nVERSION_ID=3.20.1")
    assert (parsed.id, parsed.version_id, parsed.problems) == ("alpine", "3.20.1", ())


@pytest.mark.parametrize(
    "line",
    [
        "NAME",
        "=x",
        "NAME=a b",
        'NAME="a',
        "NAME='a",
        'NAME="a"b',
        "NAME=a\\b",
        "1NAME=a",
        "NA-ME=a",
        "NAME = a",
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: str) -> None:
    parsed = parse_os_release(b"ID=debian\n" + line.encode() + b"\nVERSION_ID=12\n", "/usr/lib/os-release")
    assert (parsed.id, parsed.name, parsed.version_id) == ("debian", None, "12")
    assert parsed.problems == (Problem("/usr/lib/os-release", 2, line, WANTED),)


def test_it_survives_any_cut_and_flags_one_inside_quotes() -> None:
    # Unlike a kernel file it is not flagged when cut elsewhere: people leave out the last newline.
    for length in range(len(DEBIAN_12)):
        parsed = parse_os_release(DEBIAN_12[:length])
        last = DEBIAN_12[:length].rpartition(b"\n")[2]
        assert bool(parsed.problems) == (last.count(b'"') == 1 or bool(last and b"=" not in last))
    holds_for_any_bytes(parse_os_release, DEBIAN_12)
