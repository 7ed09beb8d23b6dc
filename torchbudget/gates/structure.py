"""Structure that a budget requires, found on the path from the images to the logits."""

from collections.abc import Iterator
from itertools import islice

from torch import fx

from torchbudget.declare.budget import BatchNorm, Dropout, GlobalAveragePooling, NoDenseOnMap
from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.network.requirements import (
    active_dropouts,
    bare_in_eval,
    bare_weighings,
    global_averages,
    moving_draws,
)
from torchbudget.network.structure import bypasses
from torchbudget.network.trace import kind_of, shape_of
from torchbudget.network.weighing import Structure, Weighing
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
    train = observation.inspection.train_structure
    bare = _spare_last(required, train, bare_weighings(train))
    for weighing in bare:
        yield f"{_describe(weighing.node)} is not normalised by batch statistics"
    if not bare:
        evaluating = observation.inspection.eval_structure
        bare = bare_in_eval(observation.train_trace, evaluating)
        for weighing in _spare_last(required, evaluating, bare):
            yield f"{_describe(weighing.node)} is not normalised in eval"


def _spare_last(required: BatchNorm, structure: Structure, bare: list[Weighing]) -> list[Weighing]:
    """`bare` without the last weighing operation on a map, where that is exempt."""
    if not required.except_last:
        return bare
    layers = [weighing for weighing in structure.weighings if structure.is_on_map(weighing)]
    return [weighing for weighing in bare if weighing not in layers[-1:]]


def _missing_dropout(required: Dropout, observation: Observation) -> Iterator[str]:
    dropouts = active_dropouts(observation.inspection.train_structure)
    in_train = len(list(islice(dropouts, required.least)))
    in_eval = moving_draws(observation.inspection.eval_structure)
    if in_train < required.least:
        yield f"{in_train} dropouts with 0 < p < 1 act in train, {required.least} required"
    if in_eval:
        where = _describe(in_eval[0])
        yield f"{len(in_eval)} dropouts still act in eval, the first in {where}"


def _missing_global_average(observation: Observation) -> Iterator[str]:
    averages = global_averages(observation.inspection.eval_structure)
    if not averages:
        yield "no operation on the path averages a whole map"
    elif bypasses(observation.eval_trace, averages):
        yield "the logits can be reached without passing the global average"


def _dense_on_map(observation: Observation) -> Iterator[str]:
    structure = observation.inspection.eval_structure
    for weighing in structure.weighings:
        if structure.is_dense_on_map(weighing):
            yield f"{_describe(weighing.node)} weighs the pixels of a map"


def _describe(node: fx.Node) -> str:
    """An operation, its module and line: "the conv2d of stem.0 to (16, 12, 12) (net.py:31)"."""
    module = node.meta.get("module", "")
    source = node.meta.get("source", "")
    words = [f"the {kind_of(node)}"]
    if module:
        words.append(f"of {module}")
    if shape_of(node):
        words.append(f"to {shape_of(node)[1:]}")
    if source:
        words.append(f"({source})")
    return " ".join(words)
