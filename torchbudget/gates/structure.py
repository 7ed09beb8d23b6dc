"""Structure that a budget requires, found on the path from the images to the logits."""

from collections.abc import Callable

from torchbudget.declare.budget import BatchNorm, Dropout, GlobalAveragePooling, NoDenseOnMap
from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.network.behaviour import dense_on_maps, misbehaviours, misleads
from torchbudget.network.structure import (
    CONVOLUTIONS,
    active_dropouts,
    bypasses,
    global_averages,
    unnormalised_convolutions,
)
from torchbudget.network.trace import build, kind_of, shape_of
from torchbudget.report.verdict import Status, Verdict


def judge_structure(entry: Entry, seen: Observation) -> Verdict:
    """Everything in `budget.requires` runs between the images and the logits and moves them; eval is a function of the image alone.

    Why: a module that only exists proves nothing, and a network that looks at other images of the batch, or at chance, cannot be measured.
    Fails: a BatchNorm beside the convolution, dropout times zero, global pooling beside a flattened map, BatchNorm in train mode at test time.
    Passes: any form of what is required, such as `x.mean((2, 3))` or `F.batch_norm(..., training=self.training)`, on every way to the logits.
    """
    required = entry.budget.requires
    reasons = tuple(
        reason
        for requirement in required
        for reason in _JUDGES[type(requirement)](requirement, seen)
    ) + _misbehaviours(seen)
    names = ", ".join(type(requirement).__name__ for requirement in required) or "nothing"
    return Verdict(
        gate="structure",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{len(seen.eval_trace.path)} operations on the path",
        expected=f"{names} on the path from images to logits",
        field="requires",
        remedy="change forward, so that what is required runs and moves the logits; a module that only exists does not count",
    )


def _missing_batch_norm(required: BatchNorm, seen: Observation) -> list[str]:
    spared = seen.train_trace.on_path(CONVOLUTIONS)[-1:] if required.except_last else []
    bare = [node for node in unnormalised_convolutions(seen.train_trace) if node not in spared]
    reasons = [
        f"the convolution to {shape_of(node)[1:]} is not normalised by batch statistics"
        for node in bare
    ]
    spared = seen.eval_trace.on_path(CONVOLUTIONS)[-1:] if required.except_last else []
    bare = (
        []
        if reasons
        else [node for node in unnormalised_convolutions(seen.eval_trace) if node not in spared]
    )
    return reasons + [
        f"the convolution to {shape_of(node)[1:]} is not normalised in eval" for node in bare
    ]


def _missing_dropout(required: Dropout, seen: Observation) -> list[str]:
    reasons = []
    if (found := len(active_dropouts(seen.train_trace))) < required.least:
        reasons.append(f"{found} dropouts with 0 < p < 1 act in train, {required.least} required")
    if found := len(active_dropouts(seen.eval_trace)):
        reasons.append(f"{found} dropouts still act in eval")
    return reasons


def _missing_global_average(required: GlobalAveragePooling, seen: Observation) -> list[str]:
    averages = global_averages(seen.eval_trace)
    if not averages:
        return ["no operation on the path averages a whole map"]
    return (
        ["the logits can be reached without passing the global average"]
        if bypasses(seen.eval_trace, averages)
        else []
    )


def _dense_on_map(required: NoDenseOnMap, seen: Observation) -> list[str]:
    return [
        f"the {kind_of(node)} to {shape_of(node)[1:]} weighs the pixels of a map"
        for node in dense_on_maps(seen.eval_trace)
    ]


def _misbehaviours(seen: Observation) -> tuple[str, ...]:
    """How the network in eval mode is no function of an image; on a copy, so that nothing that it does to itself is left behind."""
    return (
        *misbehaviours(build(seen.entry.network)),
        *misleads(build(seen.entry.network), seen.eval_trace),
    )


_JUDGES: dict[type, Callable[..., list[str]]] = {
    BatchNorm: _missing_batch_norm,
    Dropout: _missing_dropout,
    GlobalAveragePooling: _missing_global_average,
    NoDenseOnMap: _dense_on_map,
}
