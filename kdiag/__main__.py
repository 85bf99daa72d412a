"""``python -m kdiag``."""

from kdiag.cli import entry

if __name__ == "__main__":
    entry()
