"""A network in eval mode with its norms folded into the convolutions before them.

In eval a BatchNorm multiplies and shifts each channel by fixed numbers. A convolution that gives
its maps to nothing else can do so itself, with other weights: it computes the same up to rounding,
without another walk over the maps.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch

from torchbudget.network.program import STATE, Program, Ref, Step, fill, references

CONVOLUTIONS = ("aten::conv2d.default", "aten::conv2d.padding")
NORM = "aten::batch_norm.default"
State = Mapping[str, torch.Tensor]


def fold_norms(
    program: Program, maps: Collection[int], state: State
) -> tuple[Program, dict[str, torch.Tensor]]:
    """The program and its state, each norm that directly follows a convolution folded into it.

    `maps` are the steps whose values are (N, C, H, W): what else a convolution gives has its
    channels elsewhere. Only norms of float32 tensors of the state are folded, and only into finite
    weights. An eval form writes to no tensor of its state, or no verdict passes.
    """
    uses = Counter(used for step in program.steps for used in references((step.args, step.kwargs)))
    uses[program.output] += 1
    folds = {}
    for number, step in enumerate(program.steps):
        source = _single_source(step, program, uses)
        if source is not None and source in maps:
            weights = _fold(program.steps[source], step, program, state)
            if weights is not None:
                folds[number] = (source, weights)
    return _rewrite(program, folds, dict(state))


def _single_source(step: Step, program: Program, uses: Mapping[int, int]) -> int | None:
    """The convolution whose maps go into this norm, and nowhere else."""
    if step.operation != NORM or step.kwargs or step.args[5] is not False:
        return None
    source = step.args[0]
    if not isinstance(source, Ref) or uses[source.step] != 1:
        return None
    convolution = program.steps[source.step]
    if convolution.operation not in CONVOLUTIONS or convolution.kwargs:
        return None
    return source.step


def _fold(
    convolution: Step, norm: Step, program: Program, state: State
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The weights and the bias of both steps in one; None where they cannot be folded."""
    bias = convolution.args[2] if len(convolution.args) > 2 else None
    needed = [convolution.args[1], bias, *norm.args[1:5]]
    tensors = [None if value is None else _tensor(value, program, state) for value in needed]
    if any(
        tensor is None and value is not None for value, tensor in zip(needed, tensors, strict=True)
    ):
        return None
    kernel, shift, gain, beta, mean, variance = tensors
    if kernel is None or mean is None or variance is None:
        return None
    factor = 1 / (variance.double() + norm.args[7]).sqrt()
    if gain is not None:
        factor = factor * gain
    offset = -mean.double() if shift is None else shift.double() - mean
    folded = (kernel * factor.view(-1, 1, 1, 1)).float()
    moved = (offset * factor + (0 if beta is None else beta)).float()
    if not (folded.isfinite().all() and moved.isfinite().all()):
        return None
    return folded, moved


def _tensor(value: Any, program: Program, state: State) -> torch.Tensor | None:
    """The float32 tensor of the state that an argument stands for; None where it is none."""
    step = program.steps[value.step] if isinstance(value, Ref) else None
    if step is None or step.operation != STATE:
        return None
    tensor = state[step.args[0]]
    return tensor if tensor.dtype == torch.float32 else None


def _rewrite(
    program: Program,
    folds: Mapping[int, tuple[int, tuple[torch.Tensor, torch.Tensor]]],
    state: dict[str, torch.Tensor],
) -> tuple[Program, dict[str, torch.Tensor]]:
    """The program with each norm of `folds` and its convolution as one step."""
    gone = {source for source, _ in folds.values()}
    places: dict[int, Ref] = {}
    steps: list[Step] = []
    for number, step in enumerate(program.steps):
        if number in gone:
            continue
        if number in folds:
            source, weights = folds[number]
            convolution = program.steps[source]
            new = []
            for part, tensor in zip(("weight", "bias"), weights, strict=True):
                name = f"step {number}, folded {part}"
                state[name] = tensor
                new.append(Ref(len(steps)))
                steps.append(Step(STATE, (name,), {}, step.module, step.source))
            images = fill(convolution.args[0], places)
            step = replace(convolution, args=(images, *new, *convolution.args[3:]))
        else:
            args = fill(list(step.args), places)
            kwargs = fill(dict(step.kwargs), places)
            step = replace(step, args=tuple(args), kwargs=kwargs)
        places[number] = Ref(len(steps))
        steps.append(step)
    return replace(program, steps=tuple(steps), output=places[program.output].step), state
