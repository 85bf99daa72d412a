"""``python -m kdiag``."""

import sys

from kdiag.cli import main

if __name__ == "__main__":
    sys.exit(main())
