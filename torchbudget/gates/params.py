"""Size: the parameters that a network declares, those it uses, and numbers hidden elsewhere."""

from collections import Counter

from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.network.information import Information
from torchbudget.report.verdict import Status, Verdict, not_applicable


def judge_params(entry: Entry, observation: Observation) -> Verdict:
    """All that the network keeps, in parameters, buffers and constants, is under `max_params`.

    Why: a small network is the claim; a number is 32 bits, wherever the network keeps it.
    Fails: 4,000 parameters below the limit and a buffer of 50,000 that forward adds to the logits.
    Passes: tied weights, counted once; running statistics of a BatchNorm, which are not counted,
    as long as training images give them back (see `claim`); weights in half precision or as int8,
    which count as one each. The scales of int8 weights are numbers that count, too.
    """
    limit = entry.budget.max_params
    if limit is None:
        return not_applicable("params", "the budget declares no max_params")
    parts = Counter(observation.parts)
    late = [line for part in parts for line in part.inspection.late]
    if late:
        return _judge_late(late)
    kept = [(part.inspection.information, times) for part, times in parts.items()]
    declared = sum(times * information.num_declared for information, times in kept)
    used = sum(times * information.used for information, times in kept)
    hidden = _collect_hidden(parts)
    total = declared + sum(hidden.values())
    excess = total - limit + 1
    observed = f"{declared:,}, all used"
    if used < declared:
        observed = f"{declared:,}, {declared - used:,} of them never used"
    if hidden:
        observed += f", and {sum(hidden.values()):,} numbers outside the parameters"
    remedy = "narrow a layer: torchbudget check --only params shows the effect"
    if total - limit < declared - used:
        remedy = "remove the layers that forward never calls"
    return Verdict(
        gate="params",
        status=Status.FAIL if excess > 0 else Status.PASS,
        observed=observed,
        expected=f"fewer than {limit:,}",
        difference=f"{excess:+,} too many" if excess > 0 else f"{limit - total:,} below",
        field="max_params",
        remedy=remedy,
        details=(
            *_describe_layers([information for information, _ in kept]),
            *(
                f"{name}: {count:,} numbers outside the parameters"
                for name, count in hidden.items()
            ),
        ),
    )


def _collect_hidden(parts: Counter[Observation]) -> dict[str, int]:
    """How many numbers all of `parts` hold outside their parameters, by what holds them."""
    hidden: dict[str, int] = {}
    for part, times in parts.items():
        member = f"{part.entry.name}: " if len(parts) > 1 else ""
        scales = part.num_scales
        if scales:
            hidden[f"{member}scales of the weights"] = times * scales
        for name, count in part.inspection.information.hidden.items():
            hidden[f"{member}{name}"] = times * count
    return hidden


def _judge_late(late: list[str]) -> Verdict:
    return Verdict(
        gate="params",
        status=Status.FAIL,
        observed="; ".join(late[:5]),
        expected="the same named tensors before and after a forward, in train and in eval mode",
        difference=f"{len(late)} tensors come late",
        field="max_params",
        remedy="build every layer in __init__, with its shape",
        details=tuple(late),
    )


def _describe_layers(parts: list[Information]) -> tuple[str, ...]:
    """The layer that holds most, and how many parameters train."""
    layers: Counter[str] = Counter()
    for information in parts:
        for name, count in information.parameters.items():
            layers[name.rpartition(".")[0] or name] += count
    if not layers:
        return ("no parameters",)
    ((largest, size),) = layers.most_common(1)
    share = size / max(layers.total(), 1)
    trainable = sum(information.trainable for information in parts)
    return (f"largest layer: {largest}, {size:,} ({share:.0%})", f"trainable: {trainable:,}")
