"""Structure that a budget requires, found on the path from the images to the logits."""

from collections.abc import Iterator
from dataclasses import replace

from torchbudget.declare.budget import BatchNorm, Dropout, GlobalAveragePooling, NoDenseOnMap
from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.network.inspection import Inspection
from torchbudget.network.requirements import Bare
from torchbudget.report.verdict import Status, Verdict


def judge_structure(entry: Entry, observation: Observation) -> Verdict:
    """What is required runs and moves the logits; eval maps one image to a logit for each class.

    Why: a module that only exists proves nothing; logits that depend on chance measure nothing.
    Fails: a BatchNorm beside the convolution, dropout times zero, a softmax in place of logits.
    Passes: any form of what is required, such as `x.mean((2, 3))`, on every way to the logits; a
    kernel in a buffer that training leaves as it was built needs no norm.
    """
    required = entry.budget.requires
    inspection, learned = _as_trained(observation)
    reasons = _collect_reasons(entry, inspection)
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
        details=tuple(
            f"{name} is a buffer that training changed: it is learned" for name in learned
        ),
    )


def _as_trained(observation: Observation) -> tuple[Inspection, list[str]]:
    """The network with the buffers that training changed as parameters, and their names."""
    inspection = observation.inspection
    try:
        learned = observation.learned_buffers
    except Unmeasurable:  # what follows says why
        return inspection, []
    if not learned:
        return inspection, []
    network = inspection.network
    changed = replace(
        network,
        parameters=network.parameters | learned,
        trainable=network.trainable | learned,
    )
    return Inspection(replace(inspection.built, network=changed)), sorted(learned)


def _collect_reasons(entry: Entry, inspection: Inspection) -> list[str]:
    """All that is wrong; raises `Unmeasurable` where the network does not run."""
    try:
        misbehaviours = inspection.misbehaviours  # many images, before the traces fill the memory
        reasons: list[str] = []
        for requirement in entry.budget.requires:
            reasons += _judge_requirement(requirement, inspection)
        return [*reasons, *misbehaviours]
    except Unmeasurable as error:
        if not inspection.runs:
            raise
        return [f"what runs is hidden: {error}"]  # nothing shows that it has what is required


def _judge_requirement(requirement: object, inspection: Inspection) -> Iterator[str]:
    match requirement:
        case BatchNorm():
            yield from _missing_batch_norm(requirement, inspection)
        case Dropout():
            yield from _missing_dropout(requirement, inspection)
        case GlobalAveragePooling():
            yield from filter(None, [inspection.missing_average])
        case NoDenseOnMap():
            for operation in inspection.dense_on_maps:
                yield f"{operation} weighs the pixels of a map"
        case _:
            raise TypeError(f"no judge of {requirement!r}")


def _missing_batch_norm(required: BatchNorm, inspection: Inspection) -> Iterator[str]:
    bare = _spare_last(required, inspection.bare_in_train)
    for weighing in bare:
        yield f"{weighing.operation} is not normalised by batch statistics"
    if not bare:
        for weighing in _spare_last(required, inspection.bare_in_eval):
            yield f"{weighing.operation} is not normalised in eval"


def _spare_last(required: BatchNorm, bare: tuple[Bare, ...]) -> list[Bare]:
    """`bare` without the last weighing operation on a map, where that is exempt."""
    return [weighing for weighing in bare if not (required.except_last and weighing.is_last)]


def _missing_dropout(required: Dropout, inspection: Inspection) -> Iterator[str]:
    in_train = inspection.num_dropouts
    in_eval = inspection.drawing_in_eval
    if in_train < required.least:
        yield f"{in_train} dropouts with 0 < p < 1 act in train, {required.least} required"
    if in_eval:
        yield f"{len(in_eval)} dropouts still act in eval, the first in {in_eval[0]}"
