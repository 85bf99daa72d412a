from pathlib import Path

from kdiag.doctor.examination import Question, examine
from kdiag.doctor.facts import facts_of
from kdiag.doctor.mechanism import Mechanism
from kdiag.host.memory import MemoryHost
from kdiag.host.open import open_host
from kdiag.kernel.config import Config

RECORDED = sorted((Path(__file__).parents[2] / "fixtures" / "hosts").glob("6.1-default/*.tar.xz"))[0]
QUESTIONS = (
    Question("snapshot", (Mechanism("procfs", ("procfs",)),), True),
    Question("path", (Mechanism("stitch", ("tracefs",)),)),
)


def test_of_a_recording_facts_are_told_and_nothing_is_tried() -> None:
    host = open_host(str(RECORDED))
    try:
        examined = examine(host, QUESTIONS)
    finally:
        host.close()
    assert examined.is_recording
    assert {trial.works for trial in examined.trials} == {None}
    snapshot, path = examined.commands
    assert snapshot.choice is not None
    assert snapshot.choice.name == "recording"
    assert path.choice is None
    assert examined.config_source is None
    assert {fact.id: fact.value for fact in examined.facts}["user"] is None


def test_facts_say_what_they_mean() -> None:
    host = MemoryHost(
        [
            {
                "/proc/sys/kernel/osrelease": b"6.1.0-56-amd64\n",
                "/proc/sys/kernel/arch": b"x86_64\n",
                "/proc/self/status": b"Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n",
                "/proc/sys/kernel/cap_last_cap": b"40\n",
                "/sys/kernel/security/lockdown": b"none [integrity] confidentiality\n",
                "/sys/kernel/security/lsm": b"lockdown,capability,apparmor",
                "/proc/sys/kernel/kptr_restrict": b"2\n",
                "/proc/sys/kernel/ftrace_enabled": b"0\n",
                "/.dockerenv": b"",
            }
        ]
    )
    facts = {fact.id: (fact.value, fact.means) for fact in facts_of(host, Config(None, {}))}
    assert facts["kernel"][0] == "6.1.0-56-amd64"
    assert facts["lockdown"] == ("integrity", "by itself blocks nothing that kdiag uses")
    assert facts["lsm"] == ("3", "lockdown,capability,apparmor")
    assert facts["capabilities"][1].startswith("lacks CAP_SYS_ADMIN, CAP_SYS_PTRACE")
    assert facts["seccomp"] == ("2", "a filter may refuse system calls")
    assert facts["container"] == ("likely", "/.dockerenv (Docker)")
    assert "hides addresses from everybody" in facts["kptr_restrict"][1]
    assert "sysctl kernel.ftrace_enabled=1" in facts["ftrace_enabled"][1]
    assert facts["perf_event_paranoid"] == (None, "")
