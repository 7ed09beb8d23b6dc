"""Try 10,000 mutated inputs and print a table: `make fuzz`, `make fuzz ARGS="--seed 7"`.

Exit codes: 0 none broke the law · 1 one did
"""

import sys
import tempfile
import time
from pathlib import Path

from fuzz.law import MAX_SHOWN, Outcome
from fuzz.sweep import AREAS, try_area
from torchbudget.command import Parser, positive_whole_number, run_main, whole_number
from torchbudget.report.text import as_one_line


def main() -> int:
    """Fuzz as the command line asks; the exit code."""
    parser = Parser(prog="make fuzz", description=__doc__)
    parser.add_argument("areas", nargs="*", help=f"default: all of {', '.join(AREAS)}")
    parser.add_argument("--count", type=positive_whole_number, help="of inputs, in all areas")
    parser.add_argument("--seed", type=whole_number, default=0)
    options = parser.parse_args()
    whole = sum(count for _, count in AREAS.values())
    outcomes: list[Outcome] = []
    print(f"{'area':<14}{'tried':>8}{'refused':>10}{'broke':>8}{'seconds':>10}", flush=True)
    for area in options.areas or AREAS:
        share = AREAS[area][1] * (options.count or whole) // whole
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            outcome = try_area(area, max(share, 1), options.seed, Path(folder))
        outcomes.append(outcome)
        print_row(outcome, time.process_time() - began)
    total = Outcome("all", sum(outcome.tried for outcome in outcomes))
    total.refused = sum(outcome.refused for outcome in outcomes)
    total.broke = [line for outcome in outcomes for line in outcome.broke]
    print_row(total, time.process_time())
    for outcome in outcomes:
        for line in outcome.broke[:MAX_SHOWN]:
            print(f"{outcome.area}: {as_one_line(line)[:600]}")
    return 1 if total.broke else 0


def print_row(outcome: Outcome, seconds: float) -> None:
    """A line of the table; seconds are the processor's."""
    print(
        f"{outcome.area:<14}{outcome.tried:>8,}{outcome.refused:>10,}{len(outcome.broke):>8,}"
        f"{seconds:>10.1f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(run_main(main, "fuzz"))
