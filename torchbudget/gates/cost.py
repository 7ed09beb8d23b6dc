"""Cost: multiply-adds, activations, bytes of weights, and how much of the image a feature sees."""

from torchbudget.declare.entry import Entry
from torchbudget.gates.baseline import COSTS
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

_UNITS = {
    "max_multiply_adds": "multiply-adds",
    "max_activation_bytes": "activation bytes",
    "max_weight_bytes": "weight bytes",
    "min_receptive_field": "pixels seen",
}


def judge_cost(entry: Entry, observation: Observation) -> Verdict:
    """Multiply-adds, activation and weight bytes are at most, the receptive field at least, as set.

    Weight bytes are those of the tensors in the weights file, as `stored` says.

    Why: few parameters can be slow: the count of parameters does not show what a wide map costs.
    Fails: 2,545,912 multiply-adds an image where `max_multiply_adds=2_000_000`.
    Passes: a network that keeps all limits; with no limit declared, the figures are only shown.
    """
    budget = entry.budget
    cost = measure_cost(observation)
    limits = {name: getattr(budget, name) for name in cost if getattr(budget, name) is not None}
    excess = {name: _excess(name, cost[name], limit) for name, limit in limits.items()}
    broken = [name for name in excess if excess[name] > 0]
    declared = [f"{name.replace('_', ' ')} {limit:,}" for name, limit in limits.items()]
    differences = []
    for name in broken:
        direction = "too few" if name.startswith("min_") else "too many"
        differences.append(f"{_UNITS[name]}: {excess[name]:,} {direction}")
    side = min(observation.image.shape[1:])
    return Verdict(
        gate="cost",
        status=Status.FAIL if broken else Status.PASS,
        observed=", ".join(_describe(name, value, side) for name, value in cost.items()),
        expected=", ".join(declared) or "no limit declared",
        difference=", ".join(differences),
        field=(broken or list(limits) or ["max_multiply_adds"])[0],
        remedy="pool earlier, or narrow the widest maps: "
        f"torchbudget why {entry.name} lists what every layer costs",
        details=_describe_uncounted(observation.inspection.uncounted),
    )


def _describe_uncounted(uncounted: dict[str, float]) -> tuple[str, ...]:
    """A line for each operation that no rule counts."""
    return tuple(
        f"{name}: no rule counts its multiply-adds; it takes {share:.0%} of the time of a forward"
        for name, share in sorted(uncounted.items(), key=lambda item: -item[1])
    )


def measure_cost(observation: Observation) -> dict[str, int]:
    """What a forward of one image costs, by the field of the budget that limits it."""
    weight_bytes = observation.weight_bytes
    return {name: measure(observation.inspection, weight_bytes) for name, measure in COSTS.items()}


def _describe(name: str, value: int, side: int) -> str:
    if name == "min_receptive_field" and not value:
        return "what a feature sees cannot be told: forward does not run on the images that show it"
    if name == "min_receptive_field":
        return f"a feature sees {value} of {side} pixels"
    return f"{value:,} {_UNITS[name]}"


def _excess(name: str, value: int, limit: int) -> int:
    """How far `value` is on the wrong side of `limit`; at most 0 where it keeps it."""
    return limit - value if name.startswith("min_") else value - limit
