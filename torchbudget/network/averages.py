"""Averages of whole maps, found by what permuting the pixels of a map changes."""

from collections import ChainMap

import torch
from torch import fx

from torchbudget.network.experiment import CLOSE, Experiment, Values, same
from torchbudget.network.nodes import between
from torchbudget.network.structure import bypasses
from torchbudget.network.weighing import Structure

ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4}
"""What an average of permuted pixels may differ by for rounding, as a share of its spread."""


def global_averages(structure: Structure) -> set[fx.Node]:
    """Operations that give the mean of a map in which every pixel of the last map weighs the same.

    They stay as they are when the pixels of the last maps are permuted.
    """
    return {node for node in _plain_means(structure) if _weighs_pixels_alike(structure, node)}


def _plain_means(structure: Structure) -> set[fx.Node]:
    """Operations that move the logits and give the mean of an earlier map over all its pixels.

    What they are called does not matter.
    """
    values: dict[fx.Node, torch.Tensor] = {}
    for node in structure.traced.path:
        value = structure.experiment.tensor(node)
        if value is not None and node in structure.traced.influences:
            values[node] = value
    means = []
    for value in values.values():
        if value.ndim == 4 and value.shape[2:].numel() > 1:
            mean = value.mean((2, 3))
            if mean.any():
                means.append(mean)
    return {
        node for node, value in values.items() if any(_is_vector(value, mean) for mean in means)
    }


def _is_vector(value: torch.Tensor, mean: torch.Tensor) -> bool:
    """Whether `value` is `mean` (N, C), perhaps with empty spatial sides, within rounding."""
    return (
        value.ndim >= 2
        and value.numel() == mean.numel()
        and value.shape[:2] == mean.shape
        and torch.allclose(value.flatten(1), mean, 1e-4, 1e-6)
    )


def _weighs_pixels_alike(structure: Structure, average: fx.Node) -> bool:
    """Whether an average stays as it is when the pixels of the last maps are permuted.

    It is computed in double precision, where its operations take that.
    """
    maps = structure.maps.list_before(average)
    if not maps:
        return False
    try:
        return _is_symmetric(structure.experiment, maps, average, torch.float64)
    except RuntimeError:
        return _is_symmetric(structure.experiment, maps, average, torch.float32)


def _is_symmetric(
    experiment: Experiment, maps: list[fx.Node], average: fx.Node, dtype: torch.dtype
) -> bool:
    """The same in some precision, for any numbers that training or a weights file may give.

    With other numbers in the state, the permutation changes at most a small share of what these do.
    """
    way = between(maps, [average]) - set(maps)
    entering = {operand for node in way for operand in node.all_input_nodes} - way
    plain: Values = {}
    permuted: Values = {}
    changed: Values = {}
    for node in entering:
        value = experiment.values[node]
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            value = value.to(dtype)
            if node in maps:
                permuted[node] = _permute_pixels(value)
            elif node in experiment.state_dependent:
                changed[node] = _change_numbers(value)
        plain[node] = value

    def run(*others: Values) -> torch.Tensor:
        values: Values = dict(ChainMap(*others, plain))
        result = experiment.run_on(way, values)[average]
        assert isinstance(result, torch.Tensor)
        return result

    rounding = ROUNDING[dtype]
    before, other = run(), run(changed)
    if not same(before, run(permuted), rounding):
        return False
    if not changed:
        return True
    effect = (other - before).norm()
    difference = (run(changed, permuted) - other).norm()
    return bool(difference <= CLOSE * effect + torch.finfo(dtype).eps * 100 * other.norm())


def _change_numbers(value: torch.Tensor) -> torch.Tensor:
    """Other numbers of the same sign, none of them 0."""
    generator = torch.Generator().manual_seed(value.numel())
    factors, steps = torch.rand((2, *value.shape), generator=generator, dtype=value.dtype)
    changed: torch.Tensor = value * (1 + factors / 2) + torch.copysign(0.1 * steps, value)
    return changed


def _permute_pixels(value: torch.Tensor) -> torch.Tensor:
    """A map (N, C, H, W) with its pixels in another order, the same in each channel."""
    num_pixels = value.shape[2:].numel()
    order = torch.randperm(num_pixels, generator=torch.Generator().manual_seed(num_pixels))
    return value.flatten(2)[:, :, order].view(value.shape)


def missing_average(evaluating: Structure) -> str:
    """Why the logits do not follow from global averages alone; "" where they do."""
    averages = global_averages(evaluating)
    if not averages:
        return "no operation on the path averages a whole map"
    if bypasses(evaluating.traced, averages):
        return "the logits can be reached without passing the global average"
    return ""
