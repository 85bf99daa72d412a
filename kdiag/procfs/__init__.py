"""Kernel files turned into records: bytes in, ``NamedTuple`` out, one module per kernel file.

Every ``parse_<file>(data, path)`` is pure: no I/O, no clock, no globals. The shape of the file
decides, never the kernel's version. Unknown keys are kept in ``extra``, what is missing is ``None``,
and a bad line becomes a :class:`~kdiag.procfs.text.Problem` while the rest of the file survives.
Units stand in the field names.
"""
