"""What a budget can require of a network's structure, each found by an experiment on its traces."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.network.experiment import (
    CLOSE,
    Experiment,
    random_nodes,
)
from torchbudget.network.nodes import BATCH_NORMS, describe_node, kind_of, run_node
from torchbudget.network.statistics import moved_by_training
from torchbudget.network.structure import DROPOUTS, dropout_probability
from torchbudget.network.trace import Trace
from torchbudget.network.weighing import Structure

LEAST_DROPOUT = 0.01
"""The least share of elements that a dropout drops."""
LEAST_MOVE = 1e-5
"""The least mean change of a probability when a dropout is drawn anew."""
NUM_DRAWS = 6
EPSILONS_SHARE = 0.75
"""The most that a norm's epsilon may leave, in the mean, of a change that the norm takes back."""


# --- norms ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bare:
    """A weighing operation on a map that nothing normalises, as messages call it.

    `is_last` says whether it is the last weighing operation on a map.
    """

    operation: str
    is_last: bool


def bare_weighings(train: Structure) -> list[Bare]:
    """Weighing operations on maps that the batch's statistics do not normalise in train.

    From such an operation a way leads to the next weights or the logits on which no value can be
    scaled and shifted, channel by channel, without a change behind it.
    """
    return _find_bare(train, None)


def bare_in_eval(train: Trace, evaluating: Structure) -> list[Bare]:
    """Weighing operations on maps that nothing normalises in eval.

    There a norm reads statistics that training moves, or it is one by an image's own statistics.
    """
    moved = moved_by_training(train)
    traced = evaluating.traced
    norms = set(traced.on_path(BATCH_NORMS))
    for placeholder, name in traced.names.items():
        if name in moved - traced.parameters:
            norms |= set(_readers_on_path(traced, placeholder))
    return _find_bare(evaluating, norms & traced.influences)


def _find_bare(structure: Structure, norms: set[fx.Node] | None) -> list[Bare]:
    ends = {weighing.node for weighing in structure.weighings}
    layers = [weighing.node for weighing in structure.weighings if structure.is_on_map(weighing)]
    ways = _Ways(structure, ends, norms)
    return [
        Bare(describe_node(layer), layer is layers[-1]) for layer in layers if ways.escape(layer)
    ]


def _readers_on_path(traced: Trace, placeholder: fx.Node) -> Iterable[fx.Node]:
    """The first operations on the path behind `placeholder`."""
    path = set(traced.path)
    waiting = [placeholder]
    while waiting:
        for user in waiting.pop().users:
            if user in path:
                yield user
            else:
                waiting.append(user)


class _Ways:
    """The ways from an operation to the next weights, or to the logits, past what normalises."""

    def __init__(
        self, structure: Structure, ends: set[fx.Node], norms: set[fx.Node] | None = None
    ) -> None:
        self._structure = structure
        self._experiment = structure.experiment
        self._computing = structure.traced.computing
        self._ends = ends
        self._norms = norms
        self._normalised: dict[tuple[fx.Node, ...], bool] = {}

    def escape(self, layer: fx.Node) -> bool:
        """Whether a way from `layer` leads past every norm."""
        waiting = [layer]
        reached: set[fx.Node] = set()
        while waiting:
            node = waiting.pop()
            if node in reached:
                continue
            reached.add(node)
            users = [user for user in node.users if user in self._computing]
            if self._norms is None and self._is_normalised(node, users):
                continue
            for user in users:
                if self._norms is not None and user in self._norms:
                    continue
                if self._norms is None and len(users) > 1 and self._is_normalised(node, [user]):
                    continue
                if user in self._ends or user.op == "output":
                    return True
                waiting.append(user)
        return False

    def _is_normalised(self, node: fx.Node, readers: list[fx.Node]) -> bool:
        """Whether a map can be scaled and shifted by channel, as `readers` read it, unnoticed."""
        key = (node, *readers)
        if key not in self._normalised:
            self._normalised[key] = self._may_be_scaled(node, readers)
        return self._normalised[key]

    def _may_be_scaled(self, node: fx.Node, readers: list[fx.Node]) -> bool:
        """The same, found by trying it.

        Where a norm's epsilon shows, since a channel hardly varies yet, that is tried again on a
        map whose channels all vary.
        """
        value = self._experiment.tensor(node)
        if value is None or value.ndim < 2 or not value.is_floating_point():
            return False
        for dim in dict.fromkeys((1, value.ndim - 1)):
            if self._takes_back(self._experiment, node, readers, dim):
                return True
            changed = _scale_and_shift(value, dim)
            if not self._is_noticed(
                self._experiment, node, readers, changed, EPSILONS_SHARE, by_mean=True
            ):
                ends = self._ends - {node}
                varied = self._experiment.after({node: _standardise(value, dim)}, ends)
                if self._takes_back(varied, node, readers, dim):
                    return True
        return False

    def _takes_back(
        self, experiment: Experiment, node: fx.Node, readers: list[fx.Node], dim: int
    ) -> bool:
        """Whether scaling and shifting a map along `dim` goes unnoticed.

        That of half the images does not, else the norm is not by the statistics of the batch.
        """
        value = experiment.tensor(node)
        assert value is not None
        changed = _scale_and_shift(value, dim)
        if self._is_noticed(experiment, node, readers, changed, CLOSE):
            return False
        half = max(1, len(value) // 2)
        some = torch.cat([changed[:half], value[half:]])
        return self._is_noticed(experiment, node, readers, some, tolerance=1e-3)

    def _is_noticed(
        self,
        experiment: Experiment,
        node: fx.Node,
        readers: list[fx.Node],
        changed: torch.Tensor,
        tolerance: float,
        by_mean: bool = False,
    ) -> bool:
        """Whether the next weights or the logits see a change."""
        ends = self._ends - {node}

        def is_end(moving: fx.Node, value: object = None) -> bool:
            users = readers if moving is node else moving.users
            return moving in ends or moving.op == "output" or not ends.isdisjoint(users)

        _, moved = experiment.rerun(
            {node: changed}, readers, ends, tolerance=tolerance, by_mean=by_mean, meet=is_end
        )
        return any(map(is_end, moved))


def _standardise(value: torch.Tensor, dim: int) -> torch.Tensor:
    """`value` with mean 0 and deviation 1 in each channel along `dim`; noise where one is flat."""
    others = [other for other in range(value.ndim) if other != dim]
    centred = value - value.mean(others, keepdim=True)
    deviation = centred.std(others, keepdim=True)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(value.shape, generator=generator).to(value.dtype)
    return torch.where(deviation > 0, centred / deviation, noise)


def _scale_and_shift(value: torch.Tensor, dim: int) -> torch.Tensor:
    """`value` with each channel, along `dim`, scaled and shifted by amounts of its own."""
    generator = torch.Generator().manual_seed(0)
    shape = [1] * value.ndim
    shape[dim] = value.shape[dim]
    scale = 2 + torch.rand(shape, generator=generator)
    shift = torch.randn(shape, generator=generator) * (value.std() + 1e-3)
    return value * scale.to(value.dtype) + shift.to(value.dtype)


# --- dropouts -------------------------------------------------------------------------------------


def active_dropouts(structure: Structure) -> Iterator[fx.Node]:
    """Operations that draw which elements they drop, and so move the probabilities.

    A dropout drops at least `LEAST_DROPOUT` of the elements, and not all. Drawn anew, it moves the
    probabilities by at least `LEAST_MOVE` in the mean.
    """
    for node in random_nodes(structure.traced):
        if LEAST_DROPOUT <= _share_dropped(structure, node) < 1 and _moves(structure, node):
            yield node


def moving_draws(structure: Structure) -> list[fx.Node]:
    """Operations that draw random numbers which move the probabilities at all."""
    return [
        node
        for node in random_nodes(structure.traced)
        if not _is_inert(node) and _moves(structure, node, least=1e-9)
    ]


def _is_inert(node: fx.Node) -> bool:
    return kind_of(node) in DROPOUTS and dropout_probability(node) == 0


def _share_dropped(structure: Structure, node: fx.Node) -> float:
    """The share of elements that a draw makes zero in the first operation on data that it meets."""
    if kind_of(node) in DROPOUTS:
        return dropout_probability(node)
    experiment = structure.experiment
    path = set(structure.traced.path)
    for reader in _readers_on_path(structure.traced, node):
        operands = [operand for operand in reader.all_input_nodes if operand in path]
        data = [experiment.tensor(operand) for operand in operands]
        dropped = 0
        total = 0

        def meet(moving: fx.Node, value: object, reader: fx.Node = reader) -> bool:
            return moving is reader

        for draw in range(50):
            drawn = {node: _draw(structure, node, draw)}
            value = experiment.rerun(drawn, tolerance=0, meet=meet)[0][reader]
            if not isinstance(value, torch.Tensor) or len(data) != 1 or data[0] is None:
                continue
            kept = data[0] != 0 if data[0].shape == value.shape else torch.ones_like(value) > 0
            dropped += int(((value == 0) & kept).sum())
            total += int(kept.sum())
        if total:
            return dropped / total
    return 0.0


def _draw(structure: Structure, node: fx.Node, number: int) -> object:
    """The value of a random operation, drawn anew."""
    values = dict(structure.experiment.values)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return run_node(node, values, seed=1000 + number)


def _moves(structure: Structure, node: fx.Node, least: float = LEAST_MOVE) -> bool:
    experiment = structure.experiment
    output = structure.traced.output
    first = experiment.values[output]
    assert isinstance(first, torch.Tensor)
    total = 0.0
    for number in range(NUM_DRAWS):
        drawn = _draw(structure, node, number)
        logits = experiment.rerun({node: drawn}, tolerance=0)[0][output]
        assert isinstance(logits, torch.Tensor)
        total += float((logits.softmax(-1) - first.softmax(-1)).abs().mean())
        if total >= NUM_DRAWS * least:
            return True
    return False
