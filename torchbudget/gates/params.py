"""Size: the parameters that a network declares, the ones it uses, and numbers hidden where nobody counts."""

from collections import Counter

from torch import nn

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.network.hidden import hidden_numbers, late_tensors
from torchbudget.network.structure import count_params, count_used
from torchbudget.report.verdict import Status, Verdict


def judge_params(entry: Entry, seen: Observation) -> Verdict:
    """All parameters that the network declares, and what it hides in buffers and constants, are fewer than `budget.max_params`.

    Why: a small network is the claim; numbers learnt and kept in a buffer, a list, a closure or a late layer are parameters too.
    Fails: 4,000 parameters below the limit and a buffer of 50,000 that forward adds to the logits; a lazy layer that takes shape on use.
    Passes: tied weights, counted once; running statistics of a BatchNorm, which no optimiser sets and which do not count.
    """
    if late := _late(seen):
        return _judge_late(late)
    parts = Counter(seen.parts)
    declared, hidden = count_params(seen.network), _hidden(parts)
    used = sum(
        times * count_used(part.network, part.train_trace, part.eval_trace)
        for part, times in parts.items()
    )
    total, limit = declared + sum(hidden.values()), entry.budget.max_params
    excess = total - limit + 1
    unused = f", {declared - used:,} of them never used" if used < declared else ", all used"
    return Verdict(
        gate="params",
        status=Status.FAIL if excess > 0 else Status.PASS,
        observed=f"{declared:,}{unused}"
        + (f", and {sum(hidden.values()):,} numbers outside the parameters" if hidden else ""),
        expected=f"fewer than {limit:,}",
        difference=f"{excess:+,} too many" if excess > 0 else f"{limit - total:,} below",
        field="max_params",
        remedy="remove the layers that forward never calls"
        if total - limit < declared - used
        else "make a layer narrower: check.py --only params shows the effect",
        details=(
            *_describe_layers(seen.network, declared),
            *(
                f"{place}: {count:,} numbers outside the parameters"
                for place, count in hidden.items()
            ),
        ),
    )


def _hidden(parts: Counter[Observation]) -> dict[str, int]:
    """Numbers outside the parameters by the place that holds them, in all of `parts`."""
    hidden: dict[str, int] = {}
    for part, times in parts.items():
        member = f"{part.entry.name}: " if len(parts) > 1 else ""
        hidden |= {
            f"{member}{place}": times * count
            for place, count in hidden_numbers(
                part.network, part.train_trace, part.eval_trace
            ).items()
        }
    return hidden


def _late(seen: Observation) -> list[str]:
    try:
        return [line for part in dict.fromkeys(seen.parts) for line in late_tensors(part.network)]
    except Exception as error:
        raise Unmeasurable(
            f"the network does not run: {type(error).__name__}: {error}",
            "mend the network in model.py",
        ) from error


def _judge_late(late: list[str]) -> Verdict:
    return Verdict(
        gate="params",
        status=Status.FAIL,
        observed="; ".join(late[:5]),
        expected="the same named tensors before and after a forward, in train and in eval mode",
        difference=f"{len(late)} tensors come late",
        field="max_params",
        remedy="make every layer in __init__, with its shape",
        details=tuple(late),
    )


def _describe_layers(network: nn.Module, declared: int) -> tuple[str, ...]:
    """The layer that holds most, and how many parameters train."""
    layers: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        owner = name.rpartition(".")[0] or name
        layers[owner] = layers.get(owner, 0) + parameter.numel()
    trainable = sum(
        parameter.numel() for parameter in network.parameters() if parameter.requires_grad
    )
    if not layers:
        return ("no parameters",)
    largest = max(layers, key=layers.get)
    return (
        f"largest layer: {largest}, {layers[largest]:,} ({layers[largest] / max(declared, 1):.0%})",
        f"trainable: {trainable:,}",
    )
