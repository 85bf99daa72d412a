from hypothesis import given
from hypothesis import strategies as st

from kdiag.host.memory import MemoryHost
from kdiag.kernel.kallsyms import Symbol, Symbols, read_symbols

TEXT = (
    b"ffffffff81000000 T srso_alias_untrain_ret\n"
    b"ffffffff81000000 T _stext\n"
    b"ffffffff81000100 t show\n"
    b"ffffffff81000180 d table\n"
    b"ffffffff81000200 W show\n"
    b"ffffffffc0000000 t ext4_lookup\t[ext4]\n"
)


def test_an_address_is_found_in_the_symbol_before_it() -> None:
    symbols = Symbols(TEXT)
    assert symbols.lookup(0xFFFFFFFF81000104) == Symbol("show", 4, None)
    assert symbols.lookup(0xFFFFFFFFC0000010) == Symbol("ext4_lookup", 16, "ext4")
    assert str(symbols.lookup(0xFFFFFFFFC0000010)) == "ext4_lookup+0x10 [ext4]"


def test_of_several_names_of_an_address_the_first_is_told_as_the_kernel_does() -> None:
    assert Symbols(TEXT).lookup(0xFFFFFFFF81000010) == Symbol("srso_alias_untrain_ret", 16, None)


def test_an_address_in_data_or_before_the_kernel_is_in_no_function() -> None:
    symbols = Symbols(TEXT)
    assert symbols.lookup(0xFFFFFFFF81000190) is None
    assert symbols.lookup(0x1000) is None


def test_functions_that_share_a_name_are_all_told() -> None:
    symbols = Symbols(TEXT)
    assert symbols.addresses("show") == (0xFFFFFFFF81000100, 0xFFFFFFFF81000200)
    assert symbols.addresses("table") == ()
    assert symbols.addresses("nosuch") == ()


def test_hidden_addresses_are_noticed_and_never_used() -> None:
    symbols = Symbols(b"0000000000000000 T vfs_read\n0000000000000000 T vfs_write\n")
    assert symbols.hidden
    assert symbols.lookup(0) is None
    assert symbols.addresses("vfs_read") == (0,)
    assert not Symbols(TEXT).hidden
    assert not Symbols(b"").hidden


def test_lines_out_of_order_are_sorted_and_32_bit_addresses_are_read() -> None:
    symbols = Symbols(b"c0200000 t b\nc0100000 t a\n")
    assert symbols.lookup(0xC0100001) == Symbol("a", 1, None)


def test_a_last_line_that_was_cut_off_is_not_used() -> None:
    assert Symbols(b"c0100000 t a\nc0200000 t vfs_re").lookup(0xC0200000) == Symbol("a", 0x100000, None)


@given(st.binary(max_size=200))
def test_whatever_the_file_holds_nothing_is_raised(noise: bytes) -> None:
    symbols = Symbols(TEXT + noise + b"\n" + TEXT)
    symbols.lookup(0xFFFFFFFF81000104)
    assert symbols.addresses("show")


def test_lines_that_are_no_symbols_are_counted() -> None:
    symbols = Symbols(b"<html>\n" + TEXT)
    assert (symbols.skipped, len(symbols)) == (1, 6)


def test_the_file_of_the_host_is_read() -> None:
    assert read_symbols(MemoryHost([{"/proc/kallsyms": TEXT}])).lookup(0xFFFFFFFF81000201) == Symbol(
        "show", 1, None
    )
