"""What `kdiag doctor` found on a host that does not exist."""

from kdiag.doctor.capabilities import CAPABILITIES
from kdiag.doctor.examination import CommandChoice, Examination
from kdiag.doctor.facts import Fact, OptionFact
from kdiag.doctor.mechanism import Choice, PassedOver, Trial
from kdiag.doctor.others import Other
from kdiag.report.doctor_document import doctor_document

REFUSED = {
    "kprobes": Trial("kprobes", False, "ENOENT on kprobe_events", "built without it", ""),
    "funcgraph_retval": Trial(
        "funcgraph_retval", None, "not tried", "needs function_graph: not built in", ""
    ),
    "funcgraph_args": Trial("funcgraph_args", None, "not tried", "needs function_graph: not built in", ""),
}
EXAMINED = Examination(
    facts=(
        Fact("kernel", "kernel", "6.18.44"),
        Fact("machine", "machine", "x86_64"),
        Fact("user", "user", "root"),
        Fact("lockdown", "kernel lockdown", "integrity", "by itself blocks nothing that kdiag uses", "/x"),
        Fact("kptr_restrict", "kernel.kptr_restrict", None, "", "/proc/sys/kernel/kptr_restrict"),
    ),
    trials=tuple(REFUSED.get(id, Trial(id, True)) for id in CAPABILITIES),
    commands=(
        CommandChoice(
            "path",
            Choice("stitch", "stacks of events"),
            (
                PassedOver("function_graph", "not built in", "a kernel 6.11"),
                PassedOver("boundaries", "kprobes: built without it", ""),
            ),
        ),
        CommandChoice("stream", None, (PassedOver("events", "tracefs: not permitted", "run kdiag as root"),)),
    ),
    others=(Other("/sys/kernel/tracing/current_tracer", "the tracer function is set", True),),
    options=(OptionFact("CONFIG_KPROBES", "n"), OptionFact("CONFIG_BPF_SYSCALL", "y")),
    config_source="/proc/config.gz",
    config_tried=(),
    notes=(),
    left_behind=(),
    is_recording=False,
    duration_s=1.84,
)
HOST = {"name": "vm", "kernel": "6.18.44", "kind": "live", "root": "/"}


DOCTORED = (
    doctor_document(EXAMINED, 0, host=HOST, started_ns=1_700_000_000_000_000_000),
    doctor_document(
        EXAMINED._replace(is_recording=True, others=(), config_source=None), 3, host=HOST, started_ns=None
    ),
)
