"""How far the statistics of trained runs are from what training images give, as a table.

    python tests/violations/calibrate.py [ZOO.py]

A line for each run that was trained, of a network that has statistics: the farthest mean, in
standard deviations, and the largest ratio of variances, in train and in eval form. The tolerances
of `torchbudget/network/given_back.py` stand well above the last line.
"""

import sys
import time
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from torchbudget.declare.entry import Ensemble  # noqa: E402
from torchbudget.engine import Engine  # noqa: E402
from torchbudget.gates import observation  # noqa: E402
from torchbudget.network.given_back import Kept, compare  # noqa: E402

Farthest = tuple[float, float]


def farthest(kept: list[Kept]) -> Farthest:
    """The largest distance and the largest ratio of all norms."""
    distances = [statistics.mean_distance for statistics in kept]
    ratios = [statistics.variance_ratio for statistics in kept]
    return max(distances, default=0.0), max(ratios, default=1.0)


def main(words: list[str]) -> int:
    """Print the table; 0."""
    engine = Engine(Path(words[0]) if words else ROOT / "zoo.py")
    rows: list[tuple[Farthest, Farthest]] = []
    seconds = 0.0

    def compare_both(*arguments: object) -> list[Kept]:
        nonlocal seconds
        began = time.process_time()
        train = compare(*arguments, training=True)
        seconds += time.process_time() - began
        rows.append((farthest(train), farthest(compare(*arguments, training=False))))
        print_row(entry.name, seed, rows[-1])
        return []

    print(f"{'entry':<28}{'seed':>5}{'train: sd':>12}{'ratio':>8}{'eval: sd':>12}{'ratio':>8}")
    for entry in engine.zoo.values():
        if isinstance(entry, Ensemble):
            continue
        observed = engine.observe(entry)
        for seed in observed.evidence:
            with patch.object(observation, "find_strange", compare_both):
                observed.find_strange(seed)
    worst = tuple(tuple(max(row[form][part] for row in rows) for part in (0, 1)) for form in (0, 1))
    print_row(f"{len(rows)} runs", "", worst)
    print(f"train form: {seconds:.1f} s of processor time in all")
    return 0


def print_row(name: str, seed: object, row: tuple[Farthest, Farthest]) -> None:
    (mean, ratio), (eval_mean, eval_ratio) = row
    print(f"{name:<28}{seed:>5}{mean:>12.2f}{ratio:>8.2f}{eval_mean:>12.2f}{eval_ratio:>8.2f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
