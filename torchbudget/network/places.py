"""Whether operations keep the places of a map apart, or join them, by how much they see of each."""

from collections.abc import Collection, Container, Mapping
from functools import lru_cache

from torch import fx

from torchbudget.network.dependence import APART, NUM_COMPARED, SPREAD, Dependence, Gradients
from torchbudget.network.experiment import Experiment
from torchbudget.network.nodes import between

NUM_TRIED = 2
"""Elements of a value of which the operands are looked at."""
NUM_KEPT = 4
"""Maps whose gradients are kept: each of them holds the values of the operations behind it."""
STEADY = 0.5
"""Shares of an element's dependence that stay where they are for other images are at least this.

Where they are fewer the images themselves select places, as a maximum does: none is weighed.
"""


class Places:
    """What operations do to the places of maps, of which each element may see all.

    `layers` are the operations with learned weights; `targets` are, for each map, all that may be
    asked about.
    """

    def __init__(
        self,
        experiment: Experiment,
        layers: Container[fx.Node],
        targets: Mapping[fx.Node, Collection[fx.Node]],
    ) -> None:
        self._layers = layers
        self._pair = lru_cache(NUM_KEPT)(lambda source: _Pair(experiment, source, targets[source]))

    def are_kept(self, source: fx.Node, operand: fx.Node, node: fx.Node) -> bool:
        """Whether some elements of a value are of other places of the map `source` than others."""
        try:
            pair = self._pair(source)
            return pair.is_apart(node, pair.here.draw(node, NUM_COMPARED)) or (
                self._is_fixed(source, operand)
                and pair.tells_apart(node, pair.here.draw(node, pair.here.grid.num_gradients))
            )
        except RuntimeError:  # no gradient: nothing here is learned by training
            return False

    def are_joined(self, source: fx.Node, operand: fx.Node, node: fx.Node) -> bool:
        """Whether an operation weighs elements of `operand` that are of other places, far ones too.

        As for what is seen, all elements of its value then weigh the same places, or one weighs a
        whole row or column.
        """
        try:
            pair = self._pair(source)
            sees_the_same = pair.here.of(node, pair.here.draw(node, NUM_COMPARED)).overlap > SPREAD
            return any(
                (sees_the_same or pair.here.of(node, [element]).covers_a_line)
                and self._weighs_apart(pair, operand, pair.here.operands(node, element, operand))
                for element in pair.here.draw(node, NUM_TRIED)
            )
        except RuntimeError:
            return False

    def _weighs_apart(self, pair: "_Pair", operand: fx.Node, parts: list[int]) -> bool:
        """Whether elements of `operand` that are weighed together are of other places."""
        return pair.is_apart(operand, parts[:NUM_COMPARED]) or (
            len(parts) >= pair.here.grid.num_apart
            and self._is_fixed(pair.source, operand)
            and pair.tells_apart(operand, parts[: pair.here.grid.num_gradients])
        )

    def _is_fixed(self, source: fx.Node, operand: fx.Node) -> bool:
        """Whether no operation with learned weights is between a map and an operand."""
        return not any(node in self._layers for node in between([source], [operand]) - {source})


class _Pair:
    """Gradients at a map for the images of an experiment, and for other images."""

    def __init__(
        self, experiment: Experiment, source: fx.Node, targets: Collection[fx.Node]
    ) -> None:
        traced = experiment.traced
        self.source = source
        self.here = Gradients(traced, experiment.values, source, targets)
        self._elsewhere = Gradients(traced, experiment.run_others(), source, targets)

    def is_apart(self, target: fx.Node, elements: list[int]) -> bool:
        """Whether elements of a value are of other places, whatever the images are."""
        found = self.here.of(target, elements)
        return found.overlap < APART and self._is_steady(found, target, elements)

    def tells_apart(self, target: fx.Node, elements: list[int]) -> bool:
        """Whether enough places can be told apart by these elements of a value together."""
        found = self.here.of(target, elements)
        return found.num_places >= self.here.grid.num_apart and self._is_steady(
            found, target, elements
        )

    def _is_steady(self, found: Dependence, target: fx.Node, elements: list[int]) -> bool:
        return found.overlap_with(self._elsewhere.of(target, elements)) >= STEADY
