"""Judge this zoo: `python check.py --help`. The judge is the package `torchbudget`."""

import sys
from pathlib import Path

from torchbudget.cli import check

if __name__ == "__main__":
    sys.exit(check(default_zoo=Path(__file__).resolve().parent / "zoo.py", prog="check.py"))
