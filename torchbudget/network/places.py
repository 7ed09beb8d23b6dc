"""Whether operations keep the places of a map apart, or join them, by how much they see of each."""

from collections.abc import Container
from dataclasses import dataclass

from torch import fx

from torchbudget.network.dependence import APART, NUM_COMPARED, SPREAD, Dependence, Gradients
from torchbudget.network.nodes import between

NUM_TRIED = 2
"""Elements of a value of which the operands are looked at."""
STEADY = 0.5
"""Shares of an element's dependence that stay where they are for other images are at least this.

Where they are fewer the images themselves select places, as a maximum does: none is weighed.
"""


@dataclass(frozen=True)
class Reading:
    """A map `source`, and an operation `node` that reads of it by `operand`.

    `sources` are all maps of which the operand is looked at.
    """

    source: fx.Node
    sources: tuple[fx.Node, ...]
    operand: fx.Node
    node: fx.Node


class Places:
    """What operations do to the places of maps, of which each element may see all.

    `here` are gradients for the images of the experiment, `elsewhere` for other images; `layers`
    are the operations with learned weights.
    """

    def __init__(self, here: Gradients, elsewhere: Gradients, layers: Container[fx.Node]) -> None:
        self._here = here
        self._elsewhere = elsewhere
        self._layers = layers

    def are_kept(self, reading: Reading) -> bool:
        """Whether some elements of a value are of other places of a map than others."""
        draw = self._here.draw
        try:
            return self._is_apart(reading, reading.node, draw(reading.node, NUM_COMPARED)) or (
                self._is_fixed(reading)
                and self._tells_apart(
                    reading, reading.node, draw(reading.node, self._number(reading))
                )
            )
        except RuntimeError:  # no gradient: nothing here is learned by training
            return False

    def are_joined(self, reading: Reading) -> bool:
        """Whether an operation weighs elements of its operand that are of other places, far ones.

        As for what is seen, all elements of its value then weigh the same places, or one weighs a
        whole row or column.
        """
        try:
            compared = self._here.draw(reading.node, NUM_COMPARED)
            sees_the_same = self._depend(reading, reading.node, compared).overlap > SPREAD
            return any(
                (sees_the_same or self._depend(reading, reading.node, [element]).covers_a_line)
                and self._weighs_apart(
                    reading, self._here.operands(reading.node, element, reading.operand)
                )
                for element in self._here.draw(reading.node, NUM_TRIED)
            )
        except RuntimeError:
            return False

    def _weighs_apart(self, reading: Reading, parts: list[int]) -> bool:
        """Whether elements of the operand that are weighed together are of other places."""
        return self._is_apart(reading, reading.operand, parts[:NUM_COMPARED]) or (
            len(parts) >= self._here.grid_of(reading.source).num_apart
            and self._is_fixed(reading)
            and self._tells_apart(reading, reading.operand, parts[: self._number(reading)])
        )

    def _number(self, reading: Reading) -> int:
        return self._here.grid_of(reading.source).num_gradients

    def _is_fixed(self, reading: Reading) -> bool:
        """Whether no operation with learned weights is between a map and an operand."""
        way = between([reading.source], [reading.operand]) - {reading.source}
        return not any(node in self._layers for node in way)

    def _is_apart(self, reading: Reading, target: fx.Node, elements: list[int]) -> bool:
        """Whether elements of a value are of other places, whatever the images are."""
        found = self._depend(reading, target, elements)
        return found.overlap < APART and self._is_steady(found, reading, target, elements)

    def _tells_apart(self, reading: Reading, target: fx.Node, elements: list[int]) -> bool:
        """Whether enough places can be told apart by these elements of a value together."""
        found = self._here.of(reading.source, target, elements)
        num_apart = self._here.grid_of(reading.source).num_apart
        return found.num_places >= num_apart and self._is_steady(found, reading, target, elements)

    def _depend(self, reading: Reading, target: fx.Node, elements: list[int]) -> Dependence:
        return self._here.of(reading.source, target, elements, reading.sources)

    def _is_steady(
        self, found: Dependence, reading: Reading, target: fx.Node, elements: list[int]
    ) -> bool:
        elsewhere = self._elsewhere.of(reading.source, target, elements)
        return found.overlap_with(elsewhere) >= STEADY
