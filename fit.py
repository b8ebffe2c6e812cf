"""Fit FLAME heads to photographs: `python fit.py IMAGE...` is `flame-fit fit IMAGE...`."""

import sys

from flame_fit.cli import main

if __name__ == "__main__":
    sys.exit(main(["fit", *sys.argv[1:]]))
