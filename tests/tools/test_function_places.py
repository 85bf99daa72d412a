from pathlib import Path

import pytest

from kdiag.ftrace.places import Place
from kdiag.ftrace.probe import BadProbe, Probe
from kdiag.tools.function_places import probe_of
from kdiag.tools.function_programs import attach_to, bcc_name, ways_for
from kdiag.tools.tool import CannotUse

KERNEL = Place(Probe("kprobe", "", "vfs_read"))
USER = Place(Probe("uprobe", "/bin/bash", "readline"), 0x1234)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vfs_*", "kprobe:vfs_*"),
        ("k:vfs_read", "kprobe:vfs_read"),
        ("/bin/bash:readline", "uprobe:/bin/bash:readline"),
        ("u:/bin/bash:readline", "uprobe:/bin/bash:readline"),
        ("bash:readline", "uprobe:bash:readline"),
        ("/odd:name:f", "uprobe:/odd:name:f"),
    ],
)
def test_functions_are_named_as_users_write_them(text: str, shown: str) -> None:
    assert str(probe_of(text)) == shown


def test_a_library_is_named_as_the_linker_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib64"
    folder.mkdir(parents=True)
    (folder / "libodd.so").write_text("INPUT(libodd.so.3)")  # a linker script is no library
    (folder / "libodd.so.3").write_bytes(b"\x7fELF")
    assert probe_of("odd:f", str(tmp_path)).where == "/usr/lib64/libodd.so.3"


@pytest.mark.parametrize("text", ["tracepoint:sched:sched_switch", "kretprobe:vfs_read", "", "a b:c d"])
def test_what_is_no_function_is_refused(text: str) -> None:
    with pytest.raises(BadProbe):
        probe_of(text)


def test_what_programs_are_attached_to() -> None:
    assert [attach_to(KERNEL, "/"), bcc_name(KERNEL, "/")] == ["vfs_read", "vfs_read"]
    assert attach_to(USER, "/host") == f"/host/bin/bash:{0x1234}"
    assert bcc_name(USER, "/host") == "/host/bin/bash:readline"


def test_functions_of_the_kernel_and_of_programs_are_asked_for_apart() -> None:
    assert [way.entry for way in ways_for([KERNEL])] == ["kprobe_multi", "kprobe", "fentry"]
    assert [way.entry for way in ways_for([USER])] == ["uprobe"]
    with pytest.raises(CannotUse, match="ask twice"):
        ways_for([KERNEL, USER])
