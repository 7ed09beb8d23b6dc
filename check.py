"""Judge this zoo: `python check.py --help`. The judge is the package `torchbudget`."""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("check.py")

import sys
from pathlib import Path

from torchbudget.cli import check

if __name__ == "__main__":
    sys.exit(check(default_zoo=Path(__file__).resolve().parent / "zoo.py", prog="check.py"))
