"""Size: the parameters that a network declares, the ones it uses, and numbers hidden where nobody counts."""

from torch import nn

from gates.observation import Observation, Unmeasurable
from utils.entry import Entry
from utils.hidden import hidden_numbers, late_tensors
from utils.structure import count_params, count_used
from utils.verdict import Status, Verdict


def judge_params(entry: Entry, seen: Observation) -> Verdict:
    """All parameters that the network declares, and what it hides in buffers and constants, are fewer than `budget.max_params`.

    Why: a small network is the claim; numbers learnt and kept in a buffer, a list, a closure or a late layer are parameters too.
    Fails: 4,000 parameters below the limit and a buffer of 50,000 that forward adds to the logits; a lazy layer that takes shape on use.
    Passes: tied weights, counted once; running statistics of a BatchNorm, which no optimiser sets and which do not count.
    """
    if late := _late(seen):
        return _judge_late(late)
    traces = (seen.train_trace, seen.eval_trace)
    declared, used, hidden = count_params(seen.network), count_used(seen.network, *traces), hidden_numbers(seen.network, *traces)
    total, limit = declared + sum(hidden.values()), entry.budget.max_params
    excess = total - limit + 1
    unused = f", {declared - used:,} of them never used" if used < declared else ", all used"
    return Verdict(
        gate="params",
        status=Status.FAIL if excess > 0 else Status.PASS,
        observed=f"{declared:,}{unused}" + (f", and {sum(hidden.values()):,} numbers outside the parameters" if hidden else ""),
        expected=f"fewer than {limit:,}",
        difference=f"{excess:+,} too many" if excess > 0 else f"{limit - total:,} below",
        field="max_params",
        remedy="remove the layers that forward never calls"
        if total - limit < declared - used
        else "make a layer narrower: check.py --only params shows the effect",
        details=(*_describe_layers(seen.network, declared), *(f"{place}: {count:,} numbers outside the parameters" for place, count in hidden.items())),
    )


def _late(seen: Observation) -> list[str]:
    try:
        return late_tensors(seen.network)
    except Exception as error:
        raise Unmeasurable(f"the network does not run: {type(error).__name__}: {error}", "mend the network in model.py") from error


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
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if not layers:
        return ("no parameters",)
    largest = max(layers, key=layers.get)
    return (f"largest layer: {largest}, {layers[largest]:,} ({layers[largest] / max(declared, 1):.0%})", f"trainable: {trainable:,}")
