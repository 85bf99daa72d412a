"""Boots stock kernels in QEMU over this machine's own file system, and runs kdiag's live tests in them.

Nothing here is part of kdiag as it is installed: it is how its word is tested on kernels other than the one
it was written on. `python -m lab --help` says what it does, docs/kernels.md what came of it.
"""
