"""Command line of the lab: python -m lab setup | run | test | docs."""

import sys

from lab.commands import main

sys.exit(main(sys.argv[1:]))
