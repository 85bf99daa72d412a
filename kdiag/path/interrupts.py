"""Functions at which an interrupt begins: what they call has nothing to do with what was interrupted.

function_graph nests them in whatever ran; stacks show them in the middle. The very first functions
(``asm_sysvec_*``, ``sysvec_*``) are not traceable on x86, so a graph shows the next ones. Softirqs are no
interrupts where the call itself runs them (``do_softirq`` as bottom halves are enabled again): a packet
sent to this host is received there, on behalf of the sender.
"""

import re
from functools import lru_cache

__all__ = ["gives_cpu_away", "is_interrupt"]

#: x86, arm64, and the generic layer.
_INTERRUPT = re.compile(
    r"(?:asm_(?:sysvec|exc_nmi|common_interrupt)\w*|asm_\w+_interrupt|_*sysvec_\w+|_*common_interrupt|"
    r"irq_(?:enter|exit)(?:_rcu)?|__irq_exit_rcu|irqentry_(?:enter|exit)|do_IRQ|smp_\w+_interrupt|"
    r"exc_nmi|default_do_nmi|exc_irq_\w+|"
    r"el[01]h?(?:_64)?_(?:irq|fiq|error|interrupt)\w*|el0t_64_irq\w*|gic_handle_irq|"
    r"(?:generic_)?handle_domain_irq|"
    r"handle_irq_event|hrtimer_interrupt|local_apic_timer_interrupt|scheduler_ipi|timer_interrupt|idtentry_\w+)$"
).match
#: What takes the task off its CPU; the time of the call is that of sleeping, and of waiting for a CPU.
_GIVES_AWAY = re.compile(
    r"(?:__schedule|schedule|schedule_idle|schedule_preempt_disabled|schedule_rtlock|preempt_schedule\w*)"
    r"(?:\.\S+)?$"
).match


@lru_cache(maxsize=10_000)
def is_interrupt(function: str) -> bool:
    """Tell whether an interrupt begins here.

    >>> is_interrupt("__sysvec_apic_timer_interrupt"), is_interrupt("irq_work_run")
    (True, False)
    """
    return _INTERRUPT(function) is not None


@lru_cache(maxsize=10_000)
def gives_cpu_away(function: str) -> bool:
    """Tell whether this function lets another task run.

    >>> gives_cpu_away("schedule"), gives_cpu_away("schedule_timeout"), gives_cpu_away("preempt_schedule_irq")
    (True, False, True)
    """
    return _GIVES_AWAY(function) is not None
