"""Where bytes come from: the live machine, a recording of one, or a dict in a test.

This is the only room that opens kernel files or asks the machine for its clock, page size or user
names, so whatever reads through a :class:`~kdiag.host.base.Host` also works on a recording.
"""
