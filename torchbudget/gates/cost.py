"""Cost: multiply-adds, activations, bytes of weights, and how much of the image a feature sees."""

from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.network.cost import feature_field, peak_activation_bytes, weight_bytes
from torchbudget.network.layers import SIDE
from torchbudget.network.structure import count_multiply_adds
from torchbudget.report.verdict import Status, Verdict


def judge_cost(entry: Entry, seen: Observation) -> Verdict:
    """Multiply-adds, peak activation bytes and bytes of weights are at most their limits, the receptive field at least its own.

    Why: few parameters can still be slow: a wide map costs time and memory that the parameters' count does not show.
    Fails: 2,545,912 multiply-adds an image where `max_multiply_adds=2_000_000`; features that see 14 pixels of 28 where 20 are asked for.
    Passes: any network where the budget sets no limit (the figures are shown all the same), or all four within theirs.
    """
    budget, found = entry.budget, measure_cost(seen)
    limits = {name: getattr(budget, name) for name in found if getattr(budget, name) is not None}
    excess = {name: _excess(name, found[name], limit) for name, limit in limits.items()}
    broken = [name for name in excess if excess[name] > 0]
    return Verdict(
        gate="cost",
        status=Status.FAIL if broken else Status.PASS,
        observed=", ".join(_describe(name, found[name]) for name in found),
        expected=", ".join(f"{name.replace('_', ' ')} {limit:,}" for name, limit in limits.items())
        or "no limit declared",
        difference=", ".join(
            f"{_UNITS[name]}: {excess[name]:,} {'too few' if name.startswith('min') else 'too many'}"
            for name in broken
        ),
        field=(broken or list(limits) or ["max_multiply_adds"])[0],
        remedy=f"pool earlier or make the widest maps narrower: python check.py --why {entry.name} lists each layer's cost",
    )


def measure_cost(seen: Observation) -> dict[str, int]:
    """What a forward of one image costs, by the field of the budget that limits it."""
    probe = seen.probe
    return {
        "max_multiply_adds": max(
            count_multiply_adds(seen.network, seen.image), sum(probe.multiply_adds.values())
        ),
        "max_activation_bytes": peak_activation_bytes(seen.eval_trace),
        "max_weight_bytes": weight_bytes(seen.network),
        "min_receptive_field": feature_field(probe.trace, probe.recorded),
    }


_UNITS = {
    "max_multiply_adds": "multiply-adds",
    "max_activation_bytes": "activation bytes",
    "max_weight_bytes": "weight bytes",
    "min_receptive_field": "pixels seen",
}


def _describe(name: str, value: int) -> str:
    return (
        f"a feature sees {value} of {SIDE} pixels"
        if name == "min_receptive_field"
        else f"{value:,} {_UNITS[name]}"
    )


def _excess(name: str, value: int, limit: int) -> int:
    """How far `value` is on the wrong side of `limit`; at most 0 where it keeps it."""
    return limit - value if name.startswith("min_") else value - limit
