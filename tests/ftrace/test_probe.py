import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.ftrace.probe import KINDS, BadProbe, Kind, Probe, parse_probe


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("sched:sched_switch", Probe("tracepoint", "sched", "sched_switch")),
        ("tracepoint:syscalls:sys_enter_open*", Probe("tracepoint", "syscalls", "sys_enter_open*")),
        ("t:*:*fsync*", Probe("tracepoint", "*", "*fsync*")),
        ("kprobe:vfs_read", Probe("kprobe", "", "vfs_read")),
        ("k:ext4:ext4_lookup+0x10", Probe("kprobe", "", "ext4:ext4_lookup+0x10")),
        ("kr:vfs_*", Probe("kretprobe", "", "vfs_*")),
        ("f:vfs_read count=$arg3", Probe("fprobe", "", "vfs_read", ("count=$arg3",))),
        ("fr:vfs_read", Probe("fretprobe", "", "vfs_read")),
        ("uprobe:/bin/bash:readline", Probe("uprobe", "/bin/bash", "readline")),
        ("u:/opt/a:b/prog:main", Probe("uprobe", "/opt/a:b/prog", "main")),
        ("ur:bash:0x1234", Probe("uretprobe", "bash", "0x1234")),
        ("e:syscalls:sys_enter_openat f=+0($filename):ustring",
         Probe("eprobe", "syscalls", "sys_enter_openat", ("f=+0($filename):ustring",))),
    ],
)  # fmt: skip
def test_probes_are_written_as_bpftrace_writes_them(text: str, probe: Probe) -> None:
    assert parse_probe(text) == probe


@pytest.mark.parametrize("text", ["", "vfs_read", "kprobe:", ":x", "x:y:z", "kprobe:a;b", "u:main"])
def test_what_is_no_probe_says_how_one_is_written(text: str) -> None:
    with pytest.raises(BadProbe, match=r"KIND:PLACE|write |there is no kind|empty"):
        parse_probe(text)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_can_be_written_as_it_says(kind: Kind) -> None:
    text = kind.form.split()[0]
    for word, example in (("SYSTEM", "sched"), ("EVENT", "x"), ("FILE", "/bin/sh"), ("FUNCTION", "f")):
        text = text.replace(word, example)
    assert parse_probe(text).kind == kind.name


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    try:
        probe = parse_probe(text)
    except BadProbe:
        return
    assert parse_probe(" ".join((str(probe), *probe.args))) == probe
