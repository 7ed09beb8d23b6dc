"""`python -m torchbudget` is the command `torchbudget`."""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("torchbudget")

from typing import NoReturn

from torchbudget.cli import main
from torchbudget.heap import end_process


def run() -> NoReturn:
    """Run the command and end the process with its exit code."""
    end_process(main())


if __name__ == "__main__":
    run()
