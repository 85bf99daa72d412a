import pytest

from kdiag.doctor.others import probes_of_others


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", {}),
        ("p:kprobes/my vfs_read\nr10:kprobes/ret vfs_read\n", {"kprobes": 2}),
        ("p:kdiag_7_9/x vfs_read\n", {}),
        ("e:eg/ev sched.sched_switch a=$pid\nf:fg/fn vfs_read\n", {"eg": 1, "fg": 1}),
        ("s:synthetic/lat u64 lat\n", {}),
        ("p:uprobes/readline /bin/bash:0x42450 a=%di\n", {"uprobes": 1}),
        ("nonsense\n:\np:\n", {}),
    ],
)
def test_probes_are_counted_by_the_groups_of_others(text: str, groups: "dict[str, int]") -> None:
    assert probes_of_others(text) == groups
