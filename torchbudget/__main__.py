"""`python -m torchbudget` is the command `torchbudget`."""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("torchbudget")

import sys

from torchbudget.cli import main

if __name__ == "__main__":
    sys.exit(main())
