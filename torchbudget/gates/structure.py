"""Structure that a budget requires, found on the path from the images to the logits."""

from collections.abc import Iterator

from torch import fx

from torchbudget.declare.budget import BatchNorm, Dropout, GlobalAveragePooling, NoDenseOnMap
from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.network.behaviour import dense_on_maps
from torchbudget.network.structure import (
    CONVOLUTIONS,
    active_dropouts,
    bypasses,
    global_averages,
    unnormalised_convolutions,
)
from torchbudget.network.trace import Trace, kind_of, owner_of, shape_of
from torchbudget.report.verdict import Status, Verdict


def judge_structure(entry: Entry, observation: Observation) -> Verdict:
    """What is required runs and moves the logits; eval maps one image to a logit for each class.

    Why: a module that only exists proves nothing; logits that depend on chance measure nothing.
    Fails: a BatchNorm beside the convolution, dropout times zero, a softmax in place of logits.
    Passes: any form of what is required, such as `x.mean((2, 3))`, on every way to the logits.
    """
    required = entry.budget.requires
    reasons = _collect_reasons(entry, observation)
    names = ", ".join(type(requirement).__name__ for requirement in required) or "nothing"
    return Verdict(
        gate="structure",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons)
        or f"{observation.inspection.path_length} operations on the path",
        expected=f"{names} on the path from images to logits",
        field="requires",
        remedy="change forward, so that what is required runs and moves the logits; "
        "a module that only exists does not count",
    )


def _collect_reasons(entry: Entry, observation: Observation) -> list[str]:
    """All that is wrong; raises `Unmeasurable` where the network does not run."""
    try:
        reasons: list[str] = []
        for requirement in entry.budget.requires:
            reasons += _judge_requirement(requirement, observation)
        return [*reasons, *observation.inspection.misbehaviours]
    except Unmeasurable as error:
        if not observation.inspection.runs:
            raise
        return [f"what runs is hidden: {error}"]  # nothing shows that it has what is required


def _judge_requirement(requirement: object, observation: Observation) -> Iterator[str]:
    match requirement:
        case BatchNorm():
            yield from _missing_batch_norm(requirement, observation)
        case Dropout():
            yield from _missing_dropout(requirement, observation)
        case GlobalAveragePooling():
            yield from _missing_global_average(observation)
        case NoDenseOnMap():
            yield from _dense_on_map(observation)
        case _:
            raise TypeError(f"no judge of {requirement!r}")


def _missing_batch_norm(required: BatchNorm, observation: Observation) -> Iterator[str]:
    bare = _bare_convolutions(required, observation.train_trace)
    for node in bare:
        layer = _describe(observation.train_trace, node)
        yield f"the convolution {layer} is not normalised by batch statistics"
    if not bare:
        for node in _bare_convolutions(required, observation.eval_trace):
            layer = _describe(observation.eval_trace, node)
            yield f"the convolution {layer} is not normalised in eval"


def _bare_convolutions(required: BatchNorm, traced: Trace) -> list[fx.Node]:
    spared = traced.on_path(CONVOLUTIONS)[-1:] if required.except_last else []
    return [node for node in unnormalised_convolutions(traced) if node not in spared]


def _missing_dropout(required: Dropout, observation: Observation) -> Iterator[str]:
    in_train = len(active_dropouts(observation.train_trace))
    in_eval = len(active_dropouts(observation.eval_trace))
    if in_train < required.least:
        yield f"{in_train} dropouts with 0 < p < 1 act in train, {required.least} required"
    if in_eval:
        yield f"{in_eval} dropouts still act in eval"


def _missing_global_average(observation: Observation) -> Iterator[str]:
    averages = global_averages(observation.eval_trace)
    if not averages:
        yield "no operation on the path averages a whole map"
    elif bypasses(observation.eval_trace, averages):
        yield "the logits can be reached without passing the global average"


def _dense_on_map(observation: Observation) -> Iterator[str]:
    for node in dense_on_maps(observation.eval_trace):
        layer = _describe(observation.eval_trace, node)
        yield f"the {kind_of(node)} {layer} weighs the pixels of a map"


def _describe(traced: Trace, node: fx.Node) -> str:
    """A layer by its module and the shape of its value: "block1.0 to (16, 12, 12)"."""
    return f"{owner_of(traced, node)} to {shape_of(node)[1:]}".strip()
