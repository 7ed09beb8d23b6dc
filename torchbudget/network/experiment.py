"""Interventions on a trace: what else changes when the value of one operation is changed."""

import copy
from collections.abc import Callable, Iterable
from functools import cached_property

import torch
from torch import fx
from torch.utils.weak import WeakTensorKeyDictionary

from torchbudget.network.nodes import draws_numbers, reachable, run_node
from torchbudget.network.trace import Trace

Values = dict[fx.Node, object]

CLOSE = 0.03
"""Two values are the same if they differ by less than this share of their spread.

The epsilon of a norm leaves a difference of its share in the variance.
"""
SLACK = 1e-6
"""What two values may differ by in any case."""
NUM_TOGETHER = 2**16
"""Elements of two values that are compared at a time, or those of one image."""
NUM_SHUFFLES = 4
"""Orders of its elements that stand for other values of an operand."""


class Experiment:
    """One run of a trace, with its parameters moved a little, and reruns of parts of it."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self._state = {name: traced.perturb(name, tensor) for name, tensor in traced.state.items()}
        self.values = self.run(traced.images)

    def run(self, images: torch.Tensor) -> Values:
        """The value of each node."""
        values: Values = {}
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for node in self.traced.graph.nodes:
                values[node] = self._compute(node, values, images)
        return values

    def run_differentiably(self, images: torch.Tensor) -> Values:
        """The same, with gradients at every value that follows from the images.

        What an operation gives that has no gradient is a value that no other comes before.
        """
        values: Values = {}
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            for node in self.traced.graph.nodes:
                try:
                    value = self._compute(node, values, images)
                except RuntimeError:
                    plain = {operand: detach(values[operand]) for operand in node.all_input_nodes}
                    value = self._compute(node, plain, images)
                if node in self.images_path and isinstance(value, torch.Tensor):
                    lacks = has_gradient(value) and not value.requires_grad
                    value = value.detach().requires_grad_() if lacks else value
                values[node] = value
        return values

    def run_on(self, nodes: set[fx.Node], values: Values) -> Values:
        """`values` and what follows from them for these nodes, with gradients where they have."""
        values = {**values}
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            for node in self.traced.graph.nodes:
                if node in nodes:
                    values[node] = run_node(node, values)
        return values

    def _compute(self, node: fx.Node, values: Values, images: torch.Tensor) -> object:
        if node.op == "placeholder":
            name = self.traced.names[node]
            return self._state[name] if name else images
        if node.op == "get_attr":
            return self.traced.attributes[str(node.target)]
        if node.op == "output":
            return values[node.all_input_nodes[0]]
        return run_node(node, values)

    @cached_property
    def images_path(self) -> set[fx.Node]:
        """The operations between the images and the logits, and the images."""
        return {*self.traced.path, self.traced.input}

    @cached_property
    def varying(self) -> set[fx.Node]:
        """The nodes on the path whose value is another one for other images."""
        values = self.run(self.other_images)
        return {
            node
            for node in self.images_path
            if node is self.traced.input or not same(self.values[node], values[node], 1e-3)
        }

    @cached_property
    def other_images(self) -> torch.Tensor:
        """Random images, as many as there are."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.traced.images.shape, generator=generator)

    @cached_property
    def learned(self) -> set[fx.Node]:
        """The nodes that depend on learned numbers and have one value whatever the images are."""
        sources = [node for node, name in self.traced.names.items() if name in self.traced.learned]
        return reachable(sources, lambda node: node.users) - self.varying

    @cached_property
    def state_dependent(self) -> set[fx.Node]:
        """The nodes that follow from parameters or buffers."""
        state = [node for node, name in self.traced.names.items() if name]
        return reachable(state, lambda node: node.users)

    def tensor(self, node: fx.Node) -> torch.Tensor | None:
        """The value of `node`; None where it is not one tensor."""
        value = self.values[node]
        return value if isinstance(value, torch.Tensor) else None

    def after(self, changed: Values, stops: Iterable[fx.Node]) -> "Experiment":
        """An experiment in which the values of `changed` are other ones, up to those of `stops`."""
        other = copy.copy(self)
        other.values, _ = self.rerun(changed, stops=stops, tolerance=0)
        return other

    def rerun(
        self,
        changed: Values,
        readers: Iterable[fx.Node] | None = None,
        stops: Iterable[fx.Node] = (),
        only: set[fx.Node] | None = None,
        tolerance: float = CLOSE,
        by_mean: bool = False,
        meet: Callable[[fx.Node, object], bool] = lambda node, value: False,
    ) -> tuple[Values, set[fx.Node]]:
        """The values after those of `changed` are other ones, and the nodes whose value moved.

        `readers`, if given, are the only operations that read the changed values. The values of
        `stops` are computed, but not carried on. `only`, if given, limits what runs again. `meet`
        is given each value that moved, and says whether that is enough: nothing more runs then.
        """
        values: Values = {**self.values}
        moved = set(changed)
        stops = set(stops)
        below = reachable(changed, lambda node: () if node in stops else node.users)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for node in self.traced.graph.nodes:
                if node in changed:
                    values[node] = changed[node]
                    if meet(node, values[node]):
                        break
                    continue
                if node.op not in {"call_function", "output"} or (only and node not in only):
                    continue
                moving = {operand for operand in node.all_input_nodes if operand in moved}
                moving -= stops
                if readers is not None and node not in readers:
                    moving -= set(changed)
                if node in below and moving:
                    value = self._run_again(node, values, changed, readers)
                    if not same(self.values[node], value, tolerance, by_mean):
                        moved.add(node)
                        values[node] = value
                        if meet(node, value):
                            break
        return values, moved

    def _run_again(
        self,
        node: fx.Node,
        values: Values,
        changed: Values,
        readers: Iterable[fx.Node] | None,
    ) -> object:
        if node.op == "output":
            return values[node.all_input_nodes[0]]
        if readers is not None and node not in readers:
            values = {**values, **{operand: self.values[operand] for operand in changed}}
        return run_node(node, values)


def same(first: object, second: object, tolerance: float, by_mean: bool = False) -> bool:
    """Whether two values differ nowhere, or in the mean, by a share of the first one's spread.

    Without a tolerance they are the same if they are equal. NaN is the same as nothing.
    """
    if isinstance(first, (tuple, list)) and isinstance(second, (tuple, list)):
        return len(first) == len(second) and all(
            same(one, other, tolerance, by_mean) for one, other in zip(first, second, strict=True)
        )
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor):
        return first == second
    if first.shape != second.shape:
        return False
    if not tolerance or not first.is_floating_point() or first.numel() == 0:
        return torch.equal(first, second)
    difference = torch.zeros(())
    for one, other in zip(_split(first), _split(second), strict=True):
        if by_mean:
            difference = difference + torch.linalg.vector_norm(one - other, 1) / first.numel()
        else:
            difference = difference.maximum(torch.linalg.vector_norm(one - other, torch.inf))
        if not difference <= SLACK and not difference <= tolerance * _spread_of(first) + SLACK:
            return False
    return True


def _split(value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Parts of a value that are compared one after the other: most differ in the first one."""
    value = torch.atleast_1d(value)
    parts: tuple[torch.Tensor, ...] = value.split(
        max(1, NUM_TOGETHER * len(value) // value.numel())
    )
    return parts


_spreads = WeakTensorKeyDictionary()


def _spread_of(value: torch.Tensor) -> torch.Tensor:
    """The mean distance of a value's elements from their mean, computed once."""
    if value not in _spreads:
        _spreads[value] = torch.linalg.vector_norm(value - value.mean(), 1) / value.numel()
    spread: torch.Tensor = _spreads[value]
    return spread


def detach(value: object) -> object:
    """A value, or each tensor in it, without its gradient."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    return [detach(part) for part in value] if isinstance(value, (tuple, list)) else value


def has_gradient(value: torch.Tensor) -> bool:
    """Whether numbers of its kind can have a gradient: real or complex ones."""
    return value.is_floating_point() or value.is_complex()


def mixes_elements(experiment: Experiment, node: fx.Node, operand: fx.Node) -> bool:
    """Whether an element of an operation's value depends on several elements of one operand.

    One half of the operand becomes NaN, then the other: an element that both reach depends on
    several.
    """
    value = experiment.tensor(operand)
    if value is None or not has_gradient(value) or value.numel() < 2:
        return False
    generator = torch.Generator().manual_seed(0)
    half = torch.rand(value.shape, generator=generator) < 0.5
    first = depends_on(experiment, node, operand, half)
    second = depends_on(experiment, node, operand, ~half)
    return any(bool((one & other).any()) for one, other in zip(first, second, strict=True))


def depends_on(
    experiment: Experiment, node: fx.Node, operand: fx.Node, where: torch.Tensor
) -> list[torch.Tensor]:
    """Which elements of an operation's value change when `operand` is another at `where`.

    One mask for each tensor of the value.
    """
    value = experiment.tensor(operand)
    assert value is not None

    def find(other: torch.Tensor) -> list[torch.Tensor]:
        values = {**experiment.values, operand: other.where(where, value)}
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return masks_of_change(experiment.values[node], run_node(node, values))

    return poison(value, find)


def poisoned(value: torch.Tensor) -> torch.Tensor:
    """NaN in the form of `value`; raises `RuntimeError` for whole numbers."""
    return torch.full_like(value, torch.nan)


def poison(
    value: torch.Tensor, find: Callable[[torch.Tensor], list[torch.Tensor]]
) -> list[torch.Tensor]:
    """Which elements `find` finds changed when it is given NaN in the place of `value`.

    Where an operation takes no NaN, as an index does not, it is given other numbers, a few times.
    """
    try:
        return find(poisoned(value))
    except (RuntimeError, IndexError):
        pass
    generator = torch.Generator().manual_seed(0)
    together: list[torch.Tensor] = []
    for _ in range(NUM_SHUFFLES):
        order = torch.randperm(value.numel(), generator=generator)
        masks = find(value.flatten()[order].view(value.shape))
        together = [one | other for one, other in zip(together or masks, masks, strict=True)]
    return together


def masks_of_change(before: object, after: object) -> list[torch.Tensor]:
    """Which elements differ or are NaN, a mask for each tensor of a value."""
    if isinstance(after, torch.Tensor) and isinstance(before, torch.Tensor):
        if before.shape != after.shape:
            return [torch.ones(after.shape, dtype=torch.bool)]
        different = after != before
        return [different]  # NaN differs from everything
    if isinstance(after, (tuple, list)) and isinstance(before, (tuple, list)):
        masks = []
        for one, other in zip(before, after, strict=True):
            masks += masks_of_change(one, other)
        return masks
    return []


def random_nodes(traced: Trace) -> list[fx.Node]:
    """The operations that draw random numbers and that the logits depend on."""
    return [
        node
        for node in traced.graph.nodes
        if node in traced.computing and node.op == "call_function" and draws_numbers(node)
    ]
