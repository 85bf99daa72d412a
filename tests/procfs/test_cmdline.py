from typing import Optional, Tuple

import pytest

from kdiag.procfs.cmdline import CmdLine, Parameter, parse_cmdline
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# 6.18, shortened.
CMDLINE_6_18 = (
    b"mitigations=auto,no_guest_host console=ttyS0 quiet panic=1 psi=1 rdinit=/init -- --addr 0.0.0.0:2024\n"
)


def test_parameters_are_read_in_order_and_init_gets_the_rest() -> None:
    assert parse_cmdline(CMDLINE_6_18) == CmdLine(
        (
            Parameter("mitigations", "auto,no_guest_host"),
            Parameter("console", "ttyS0"),
            Parameter("quiet", None),
            Parameter("panic", "1"),
            Parameter("psi", "1"),
            Parameter("rdinit", "/init"),
        ),
        ("--addr", "0.0.0.0:2024"),
    )


@pytest.mark.parametrize(
    ("token", "name", "value"),
    [
        (b"quiet", "quiet", None),
        (b"root=", "root", ""),
        (b"root=UUID=12=34", "root", "UUID=12=34"),
        (b'dyndbg="file a.c +p"', "dyndbg", "file a.c +p"),
        (b'"dyndbg=file a.c +p"', "dyndbg", "file a.c +p"),
        (b'"two words"', "two words", None),
        (b'a="b', "a", "b"),  # a quote that is never closed runs to the end
        (b'a=b" c"d', "a", 'b" c"d'),  # inside a value quotes protect, and stay
        (b'a=""', "a", ""),
        (b'a="', "a", ""),
        (b"=x", "=x", None),  # lib/cmdline.c looks for the equals sign from the second byte on
        (b"n\xffme=\x1b[1m", "n\udcffme", "\x1b[1m"),
    ],
)
def test_quotes_are_taken_off_as_the_kernel_does(token: bytes, name: str, value: Optional[str]) -> None:
    assert parse_cmdline(token + b"\n").parameters == (Parameter(name, value),)


@pytest.mark.parametrize("blanks", [b" ", b"   ", b"\t", b"\n", b" \n "])
def test_any_blanks_separate_even_a_newline_within(blanks: bytes) -> None:
    parsed = parse_cmdline(blanks + b"a" + blanks + b"b=1" + blanks + b"\n")
    assert parsed == CmdLine((Parameter("a", None), Parameter("b", "1")), ())


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (b"a -- b=1 c\n", ("b=1", "c")),
        (b'a -- b="x y" -- c\n', ("b=x y", "--", "c")),
        (b"a --\n", ()),
        (b"a --=1\n", ()),
    ],
)
def test_only_a_bare_double_dash_begins_inits_arguments(data: bytes, arguments: Tuple[str, ...]) -> None:
    parsed = parse_cmdline(data)
    assert parsed.parameters[0] == Parameter("a", None)
    assert parsed.init_arguments == arguments


def test_the_last_of_several_is_found_whichever_dash_it_was_written_with() -> None:
    parsed = parse_cmdline(b"transparent-hugepage=never quiet transparent_hugepage=always\n")
    assert parsed.last("transparent-hugepage") == Parameter("transparent_hugepage", "always")
    assert parsed.last("quiet") == Parameter("quiet", None)
    assert parsed.last("psi") is None


def test_a_kernel_without_parameters_has_none_and_no_problem() -> None:
    assert parse_cmdline(b"\n") == CmdLine((), ())


def test_an_empty_file_is_a_problem() -> None:
    problems = (Problem("/proc/cmdline", 1, "", "the kernel's parameters"),)
    assert parse_cmdline(b"") == CmdLine((), (), problems)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_cmdline, CMDLINE_6_18)
    holds_for_any_bytes(parse_cmdline, b'a="b c" "d=e f" -- g\n')
