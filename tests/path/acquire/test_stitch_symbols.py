"""Names of addresses, shown and hidden."""

from typing import Any, List, Tuple

from kdiag.host.memory import MemoryHost
from kdiag.path.acquire.stitch_symbols import StackSymbols, learn_from_text

KALLSYMS = b"ffffffff81000100 T vfs_read\nffffffff81000200 t show\nffffffff81000300 t show\n"
HIDDEN = b"0000000000000000 T vfs_read\n0000000000000000 t show\n"
TEXT = """# tracer: nop
              sh-1       [000] .....     1.000001: kfree: call_site=x <ffffffff81000999>
              sh-1       [000] .....     1.000002: <stack trace>
 => kfree+0x1c/0x60 <ffffffff8100071c>
 => ext4_lookup+0x10/0x20 [ext4] <ffffffffc0000010>
 => 0xffffffffc0001000 <ffffffffc0001000>
"""


class FakeInstance:
    def read(self, name: str) -> str:
        assert name == "trace"
        return TEXT


class FakeSession:
    def __init__(self) -> None:
        self.options: List[Tuple[str, bool]] = []
        self.instance = FakeInstance()

    def option(self, name: str, on: bool) -> None:
        self.options.append((name, on))


def symbols(kallsyms: Any) -> Tuple[StackSymbols, FakeSession]:
    session = FakeSession()
    return StackSymbols(MemoryHost([{"/proc/kallsyms": kallsyms}]), session), session  # type: ignore[arg-type]


def test_shown_addresses_are_looked_up_and_nothing_is_asked_of_the_text() -> None:
    found, session = symbols(KALLSYMS)
    assert found.symbol(0xFFFFFFFF81000150) == ("vfs_read", None)
    assert found.address("vfs_read", 0x20) == 0xFFFFFFFF81000120
    assert session.options == [] and not found.hidden


def test_a_name_that_several_functions_have_has_no_address() -> None:
    found, _ = symbols(KALLSYMS)
    assert found.address("show", 4) == 0 and found.address("nothing", 4) == 0


def test_hidden_addresses_are_named_by_the_text_of_the_same_stacks() -> None:
    found, session = symbols(HIDDEN)
    assert session.options == [("sym-offset", True), ("sym-addr", True)]
    found.learn()
    assert found.symbol(0xFFFFFFFF8100071B) == ("kfree", None)
    assert found.symbol(0xFFFFFFFFC000000F) == ("ext4_lookup", "ext4")
    assert "vfs_read" in found.known and "nothing" not in found.known


def test_without_kallsyms_the_text_is_all_there_is() -> None:
    found, _ = symbols(13)
    found.learn()
    assert found.symbol(0xFFFFFFFF8100071B) == ("kfree", None)
    assert "vfs_read" not in found.known


def test_an_address_without_a_name_is_itself_and_counted_once() -> None:
    found, _ = symbols(HIDDEN)
    assert found.symbol(0xFFF) == found.symbol(0xFFF) == ("0x1000", None)
    assert found.unresolved == 1


def test_only_lines_of_stacks_teach_names() -> None:
    assert sorted(name for name, _ in learn_from_text(TEXT).values()) == ["ext4_lookup", "kfree"]
