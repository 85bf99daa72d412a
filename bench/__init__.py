"""What kdiag costs, measured: ``python -m bench``, or ``make bench``.

Only ratios are claimed, and only between processes that took turns within one run: ``A B C A B C ...``.
CPU is user and system time of a process and of the children it waited for, as wait4(2) gives it.
"""
