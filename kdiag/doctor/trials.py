"""Tries what this kernel and this user may do: each capability once, when it is first asked for.

Nothing is inferred from a version, a configuration or a lockdown mode: what a trial needs is set up in a
private instance, made to happen, looked for, and undone. ``with Trials(host) as trials:``.
"""

from contextlib import nullcontext
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from kdiag.doctor import trial_bcc, trial_bpf, trial_events, trial_files, trial_functions, trial_probes
from kdiag.doctor.capabilities import ALIASES, CAPABILITIES, Capability
from kdiag.doctor.mechanism import Trial
from kdiag.doctor.outcome import NotTried, Refused, refused_by_tracefs
from kdiag.ftrace.instance import NotTornDown, signals_held
from kdiag.ftrace.lock import LockHeld
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import NoTraceFs, TraceFs, TraceFsError, find_tracefs
from kdiag.host.base import Host
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscall_symbol import symbols_of_syscall

__all__ = ["ON_THE_HOST", "RECORDING", "Bench", "Trials"]

#: Small buffers: a trial records a handful of events.
_BUFFER_KIB = 64
_DEADLINE_S = 30.0
RECORDING = "this is a recording, and what a kernel lets one do can only be tried on it"
ON_THE_HOST = "run kdiag doctor on the host itself"


class Bench:
    """What trials work with."""

    def __init__(
        self, host: Host, tracefs: Optional[TraceFs], try_capability: Callable[[str], Trial]
    ) -> None:
        self.host = host
        self.euid = host.facts.reader_euid
        self.machine = machine_of(host) or ""
        self.try_capability = try_capability
        self._tracefs = tracefs

    @property
    def tracefs(self) -> TraceFs:
        """The root of tracefs; raises :exc:`NoTraceFs`."""
        if self._tracefs is None:
            self._tracefs = find_tracefs(self.host)
        return self._tracefs

    def session(self) -> Session:
        """Return a session of its own for a trial, a context manager."""
        return Session(self.tracefs, self.host, buffer_kib_per_cpu=_BUFFER_KIB, deadline_s=_DEADLINE_S)

    def wrappers_of(self, syscall: str) -> Sequence[str]:
        """Return the names that the function of a system call may have."""
        return symbols_of_syscall(syscall, self.machine)


#: How each capability is tried; returns what else there is to say, raises what is in ``outcome``.
_TRIALS: Mapping[str, Callable[[Bench], str]] = {
    "bcc": trial_bcc.bcc,
    "bpf": trial_bpf.bpf,
    "eprobes": trial_probes.eprobes,
    "event_fork": trial_events.event_fork,
    "event_stack": trial_events.event_stack,
    "events": trial_events.events,
    "fprobes": trial_probes.fprobes,
    "funcgraph_args": trial_functions.funcgraph_args,
    "funcgraph_retval": trial_functions.funcgraph_retval,
    "function": trial_functions.function,
    "function_graph_instance": trial_functions.function_graph_instance,
    "function_graph_top": trial_functions.function_graph_top,
    "hist": trial_events.hist,
    "instances": trial_events.instances,
    "kallsyms": trial_files.kallsyms,
    "kprobes": trial_probes.kprobes,
    "kretprobes": trial_probes.kretprobes,
    "perf_events": trial_bpf.perf_events,
    "probe_profile": trial_probes.probe_profile,
    "proc_stack": trial_files.proc_stack,
    "proc_syscall": trial_files.proc_syscall,
    "proc_wchan": trial_files.proc_wchan,
    "procfs": trial_files.procfs,
    "psi": trial_files.psi,
    "raw_buffers": trial_events.raw_buffers,
    "synthetic": trial_events.synthetic,
    "syscall_events": trial_events.syscall_events,
    "tracefs": trial_events.tracefs,
    "uprobes": trial_probes.uprobes,
}


class Trials:
    """The trials of one host; a context manager, as a private mount of tracefs may belong to it."""

    def __init__(self, host: Host, tracefs: Optional[TraceFs] = None) -> None:
        self.host = host
        self._bench = Bench(host, tracefs, self.try_capability)
        self._done: Dict[str, Trial] = {}
        #: What could not be undone after a trial: for the user, and for `kdiag cleanup`.
        self.left_behind: List[str] = []

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None

    def try_capability(self, id: str) -> Trial:
        """Return what came of trying a capability; it is tried when it is first asked for.

        Raises :exc:`KeyError` for an id that is neither in ``CAPABILITIES`` nor in ``ALIASES``.
        """
        if id not in self._done:
            self._done[id] = self._any_of(id, ALIASES[id]) if id in ALIASES else self._try(CAPABILITIES[id])
        return self._done[id]

    def _any_of(self, id: str, others: Sequence[str]) -> Trial:
        """Return the first that works, or what came of the one that came nearest to it."""
        trials = []
        for each in others:
            trials.append(self.try_capability(each))
            if trials[-1].works:
                break
        return next((trial for trial in trials if trial.works), trials[-1])._replace(id=id)

    def _try(self, capability: Capability) -> Trial:
        if self.host.kind == "recorded":
            return Trial(capability.id, None, "not tried", RECORDING, ON_THE_HOST)
        for need in capability.needs:
            trial = self.try_capability(need)
            if not trial.works:
                title = CAPABILITIES[need].title if need in CAPABILITIES else need
                why = trial.why or trial.detail
                why = why if why.startswith("needs ") else f"needs {title}: {why}"
                return Trial(capability.id, None, "not tried", why, trial.remedy)
        # A trial takes a tenth of a second, and half of one could not be undone. BCC is a process of its own.
        held = nullcontext() if capability.id == "bcc" else signals_held()
        try:
            with held:
                return Trial(capability.id, True, _TRIALS[capability.id](self._bench))
        except NotTried as told:
            return Trial(capability.id, None, told.detail, told.why, told.remedy or capability.remedy)
        except Refused as told:
            return Trial(capability.id, False, told.detail, told.why, told.remedy or capability.remedy)
        except NoTraceFs as error:
            return Trial(capability.id, False, error.reason, error.reason, error.remedy or capability.remedy)
        except NotTornDown as error:
            self.left_behind.append(str(error))
            return Trial(capability.id, None, "not undone", str(error), "kdiag cleanup")
        except LockHeld as error:
            return Trial(capability.id, None, "not tried", str(error), "wait until it ends")
        except TraceFsError as error:
            refused = refused_by_tracefs(error, self._bench.euid)
            remedy = refused.remedy or capability.remedy
            return Trial(capability.id, False, refused.detail, refused.why, remedy)
