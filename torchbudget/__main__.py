"""`python -m torchbudget` is the command `torchbudget`."""

import sys

from torchbudget.cli import main

if __name__ == "__main__":
    sys.exit(main())
