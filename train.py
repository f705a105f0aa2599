"""Train and compare recurrent cells: `python train.py model=lstm`, or `python train.py --help`."""

import sys

from cells.cli import main

if __name__ == "__main__":
    sys.exit(main())
