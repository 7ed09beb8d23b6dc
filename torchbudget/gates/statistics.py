"""What chance alone may do to a measured accuracy.

A bound on the mean over seeds, and a test of two networks on the same images. Written out here,
so that the package need not depend on scipy for two formulas.
"""

import math
import statistics

LEVEL = 0.95


def mean_misses_bound(misses: list[int]) -> float:
    """The one-sided 95 % upper bound of the mean misses over seeds, by Student's t.

    Needs two seeds or more.
    """
    spread = statistics.stdev(misses) / math.sqrt(len(misses))
    return statistics.mean(misses) + t_quantile(len(misses) - 1) * spread


def t_quantile(degrees: int) -> float:
    """The 95 % quantile of Student's t, by bisection of its distribution."""
    low = 0.0
    high = 7.0  # 6.314 for one degree of freedom, the largest
    while high - low > 1e-12:
        middle = (low + high) / 2
        if _probability_within(middle, degrees) < 2 * LEVEL - 1:
            low = middle
        else:
            high = middle
    return high


def _probability_within(t: float, degrees: int) -> float:
    """P(-t < T < t), exact for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(odd, degrees - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * math.cos(angle) ** 2
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def student_p(t: float, degrees: int) -> float:
    """The two-sided p of Student's `t`."""
    return 1 - _probability_within(abs(t), degrees)


def mcnemar_p(lost: int, won: int) -> float:
    """McNemar's exact two-sided p of `lost` images newly missed and `won` no longer missed.

    The tail of a fair coin thrown `lost + won` times; 1 where no image changed sides.
    """
    flipped = lost + won
    tail = sum(math.comb(flipped, count) for count in range(min(lost, won) + 1))
    p: float = 2 * tail / 2**flipped
    return min(1.0, p)
