"""Judge this zoo: `python check.py --help`. The judge is the package `torchbudget`."""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("check.py")

from pathlib import Path

from torchbudget.cli import check
from torchbudget.heap import end_process

if __name__ == "__main__":
    end_process(check(default_zoo=Path(__file__).resolve().parent / "zoo.py", prog="check.py"))
