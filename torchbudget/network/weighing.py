"""Operations that combine what they read with learned numbers, whatever they are called.

A weighing operation has an operand that follows from the images and one that follows from
parameters alone, and an element of its value depends on several elements of the first. That is a
convolution, a matrix product, an einsum, a distance, a recurrent layer. Where the learned numbers
enter element by element, as in a product that is summed later, the operation that mixes what they
have weighed is the weighing one. Norms, with their affine parameters for each channel, are none.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx

from torchbudget.network.dependence import Gradients
from torchbudget.network.experiment import Experiment, has_gradient, mixes_elements
from torchbudget.network.maps import Maps
from torchbudget.network.nodes import between, kind_of, reachable
from torchbudget.network.places import Places, Reading
from torchbudget.network.sight import Sight
from torchbudget.network.structure import CONVOLUTIONS, NORMALISATIONS
from torchbudget.network.trace import Trace

TURNED = 0.99
"""Weights whose cosine with the former ones is below this have another direction."""


@dataclass(frozen=True)
class Weighing:
    """A weighing operation, and the operand that it weighs.

    `scaling` is an earlier operation where the learned numbers enter; None if it is the same.
    """

    node: fx.Node
    operand: fx.Node
    scaling: fx.Node | None = None


class Layers:
    """The weighing operations of a trace."""

    def __init__(self, traced: Trace, experiment: Experiment) -> None:
        self._traced = traced
        self._experiment = experiment

    @cached_property
    def weighings(self) -> list[Weighing]:
        """The weighing operations that move the logits, in the order they run."""
        weighings: dict[fx.Node, Weighing] = {}
        for node in self._traced.path:
            if self._moves_logits(node) and kind_of(node) not in NORMALISATIONS:
                for weighing in self._weighings_at(node):
                    if weighing.node not in weighings or weighing.scaling is None:
                        weighings[weighing.node] = weighing
        order = {node: number for number, node in enumerate(self._traced.path)}
        return sorted(weighings.values(), key=lambda weighing: order[weighing.node])

    @cached_property
    def nodes(self) -> set[fx.Node]:
        """The operations with learned weights."""
        return {weighing.node for weighing in self.weighings}

    def _moves_logits(self, node: fx.Node) -> bool:
        """Whether the logits have a gradient at `node`, or at a part of its value."""
        influences = self._traced.influences
        value = self._experiment.values[node]
        if isinstance(value, torch.Tensor):
            return node in influences
        return any(user in influences for user in node.users)

    def _weighings_at(self, node: fx.Node) -> list[Weighing]:
        varying = self._experiment.varying
        data = [operand for operand in node.all_input_nodes if operand in varying]
        learned = [
            operand for operand in node.all_input_nodes if operand in self._experiment.learned
        ]
        if kind_of(node) in CONVOLUTIONS and self._depends_on_learned(node.args[1]):
            return [Weighing(node, node.all_input_nodes[0])]  # also with a kernel for each image
        if not learned:
            return []
        for operand in data:
            if mixes_elements(self._experiment, node, operand):
                return [Weighing(node, operand)]
        if len(data) != 1:
            return []
        return [
            Weighing(mixer, data[0], node)
            for mixer in self._first_mixers(node)
            if self._weighs(node, data[0], learned, mixer)
        ]

    def _depends_on_learned(self, operand: object) -> bool:
        if not isinstance(operand, fx.Node):
            return False
        sources = reachable([operand], lambda node: node.all_input_nodes)
        names = {self._traced.names.get(node, "") for node in sources if node.op == "placeholder"}
        return bool(names & self._traced.learned)

    def _first_mixers(self, start: fx.Node) -> list[fx.Node]:
        """The next operations, without further weights, that mix elements of what they read."""
        mixers = []
        waiting = [start]
        reached: set[fx.Node] = set()
        while waiting:
            node = waiting.pop()
            for user in node.users:
                if user in reached or user not in self._traced.computing or user.op == "output":
                    continue
                reached.add(user)
                if kind_of(user) in NORMALISATIONS:
                    continue
                if mixes_elements(self._experiment, user, node):
                    mixers.append(user)
                else:
                    waiting.append(user)
        return mixers

    def _weighs(
        self, scaling: fx.Node, data: fx.Node, learned: list[fx.Node], mixer: fx.Node
    ) -> bool:
        """Whether `mixer` mixes elements of `data` that `learned` numbers have weighed apart.

        For an element of the mixer's value, the gradient at `data` turns when the learned numbers
        change, and several of these have a part in it. A norm's scale for each channel has one.
        """
        weights = learned[-1]
        value = self._experiment.tensor(weights)
        start = self._experiment.tensor(data)
        if value is None or start is None or value.numel() < 2:
            return False
        if not (has_gradient(value) and has_gradient(start)):
            return False
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(value.shape, generator=generator).to(value.dtype)
        other = value + (value.abs().mean() + 0.1) * noise
        only = between([scaling], [mixer])
        before = self._gradients(only, mixer, {data: start, weights: value})
        after = self._gradients(only, mixer, {data: start, weights: other})
        if before is None or after is None:
            return False
        if int((before[1] != 0).sum()) < 2 or int((before[0] != 0).sum()) < 2:
            return False
        cosine = torch.cosine_similarity(before[0].flatten(), after[0].flatten(), 0)
        return bool(cosine.abs() < TURNED)

    def _gradients(
        self, only: set[fx.Node], mixer: fx.Node, changed: dict[fx.Node, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Of one element of the mixer's value, at the data and at the learned numbers."""
        leaves = {node: value.clone().requires_grad_() for node, value in changed.items()}
        try:
            result = self._experiment.run_on(only, {**self._experiment.values, **leaves})[mixer]
            result = result[0] if isinstance(result, (tuple, list)) else result
            if not isinstance(result, torch.Tensor):
                return None
            element = result.flatten()[result.numel() // 2]
            element = element.real if element.is_complex() else element
            data, weights = torch.autograd.grad(element, list(leaves.values()))
            return _real(data), _real(weights)
        except RuntimeError:  # no gradient: nothing here is learned by training
            return None


class Structure:
    """What a trace computes, found by experiments that are made when first asked for."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.experiment = Experiment(traced)
        layers = self._layers = Layers(traced, self.experiment)
        self._here = Gradients(self.experiment, traced.images)
        self.maps = Maps(traced, self.experiment, self._here, lambda: layers.nodes)

    @property
    def weighings(self) -> list[Weighing]:
        """The weighing operations that move the logits, in the order they run."""
        return self._layers.weighings

    # --- on maps ----------------------------------------------------------------------------------

    def is_on_map(self, weighing: Weighing) -> bool:
        """Whether an operation weighs a map and gives one: its elements see different pixels."""
        operand = self.experiment.tensor(weighing.operand)
        if kind_of(weighing.node) in CONVOLUTIONS:
            return operand is not None and operand.shape[2:].numel() > 1
        sources = self.maps.list_before(weighing.operand)
        if any(self._see(source, weighing.node).apart for source in sources):
            return True
        places = self._places
        return any(
            places.are_kept(reading) and not places.are_joined(reading)
            for reading in readings_of(weighing, sources)
        )

    def is_dense_on_map(self, weighing: Weighing) -> bool:
        """Whether an operation weighs pixels of a map that its operand keeps apart, far ones too.

        All elements of its value see the same pixels, or one sees a whole row or column. A
        convolution to a single pixel is such an operation.
        """
        if self._convolves_to_a_map(weighing):
            return False
        return any(
            self._sees_more(reading.source, weighing) or self._places.are_joined(reading)
            for reading in readings_of(weighing, self.maps.list_before(weighing.operand))
        )

    def _sees_more(self, source: fx.Node, weighing: Weighing) -> bool:
        before = self._see(source, weighing.operand)
        after = self._see(source, weighing.node)
        return after.most > before.most and (after.whole or not after.apart)

    def _convolves_to_a_map(self, weighing: Weighing) -> bool:
        value = self.experiment.tensor(weighing.node)
        is_convolution = kind_of(weighing.node) in CONVOLUTIONS
        return is_convolution and value is not None and value.shape[2:].numel() > 1

    def _see(self, source: fx.Node, target: fx.Node) -> Sight:
        return self.maps.see(source, target, self._targets.get(source, ()))

    @cached_property
    def _places(self) -> Places:
        elsewhere = Gradients(self.experiment, self.experiment.other_images)
        return Places(self._here, elsewhere, self._layers.nodes)

    @cached_property
    def _targets(self) -> dict[fx.Node, list[fx.Node]]:
        """What is asked to see each map: operands and values of the next weighing operations."""
        targets: dict[fx.Node, list[fx.Node]] = {}
        for weighing in self.weighings:
            if not self._convolves_to_a_map(weighing):
                for source in self.maps.list_before(weighing.operand):
                    targets.setdefault(source, []).extend((weighing.operand, weighing.node))
        return targets


def readings_of(weighing: Weighing, sources: list[fx.Node]) -> list[Reading]:
    """What is asked about each map that a weighing operation reads."""
    return [Reading(source, tuple(sources), weighing.operand, weighing.node) for source in sources]


def _real(value: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(value) if value.is_complex() else value
