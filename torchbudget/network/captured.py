"""A captured network: what the judge counts, draws and measures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.folding import fold_norms
from torchbudget.network.memory import check_reads
from torchbudget.network.nodes import reads_memory
from torchbudget.network.program import Program
from torchbudget.network.trace import Trace, replay


@dataclass(frozen=True, eq=False)
class Network:
    """What a network is, as data: its two forms, its tensors, and the numbers in its code.

    `state` holds parameters and buffers as built, tied ones once; `names` each name of the
    `state_dict` and the tensor of `state` that it stands for; `parameters` those of `state` that
    are parameters, `trainable` those that gradients move, perhaps buffers.
    """

    image: ImageSpec
    train: Program
    evaluating: Program
    state: dict[str, torch.Tensor]
    constants: dict[str, torch.Tensor]
    names: dict[str, str]
    parameters: frozenset[str]
    trainable: frozenset[str]

    def trace(
        self,
        training: bool,
        images: torch.Tensor | None = None,
        state: Mapping[str, torch.Tensor] | None = None,
    ) -> Trace:
        """The train or the eval form on `images` (N, C, H, W), with the weights `state`.

        By default on two random images, with the weights as built. It has run once, so that its
        nodes know the shapes of their values. Raises `NetworkError`.
        """
        traced = self.form(training, images, state)
        copies = {name: tensor.clone() for name, tensor in traced.state.items()}
        try:
            with torch.no_grad():
                values = replay(traced, copies, traced.images.clone(), in_place=True)
        except Exception as error:
            raise NetworkError(f"the captured network does not run: {error}") from error
        check_reads(traced.graph, values)
        for node, value in values.items():
            node.meta["shape"] = tuple(value.shape)
        return traced

    def form(
        self,
        training: bool,
        images: torch.Tensor | None = None,
        state: Mapping[str, torch.Tensor] | None = None,
    ) -> Trace:
        """What `trace` gives, before it has run; raises `NetworkError`."""
        if images is None:
            generator = torch.Generator().manual_seed(0)
            images = torch.randn((2, *self.image.shape), generator=generator)
        program = self.train if training else self.evaluating
        return Trace(
            graph=program.to_graph(len(images)),
            state=dict(self.state if state is None else state),
            attributes=self.constants,
            images=images,
            parameters=self.parameters,
            trainable=self.trainable,
            training=training,
        )

    def with_weights(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The state that the tensors of a weights file give, by the names of the `state_dict`.

        Raises `NetworkError` where a name or a shape does not fit, and where tensors that the
        network shares differ.
        """
        missing = [name for name in self.names if name not in tensors]
        unknown = [name for name in tensors if name not in self.names]
        if missing or unknown:
            parts = [f"{name} is missing" for name in missing]
            parts += [f"{name} is unknown" for name in unknown]
            raise NetworkError(", ".join(parts[:5]))
        state = {name: tensor.clone() for name, tensor in self.state.items()}
        loaded: dict[str, torch.Tensor] = {}
        for name, kept in self.names.items():
            tensor = tensors[name]
            if tensor.shape != state[kept].shape:
                shapes = f"{list(tensor.shape)}, {list(state[kept].shape)} is needed"
                raise NetworkError(f"{name} is {shapes}")
            if kept in loaded and not torch.equal(loaded[kept], tensor):
                raise NetworkError(f"{name} and {kept} are one tensor of the network, here two")
            loaded[kept] = tensor
        for kept, tensor in loaded.items():
            state[kept].copy_(tensor)
        return state

    @property
    def state_dict(self) -> dict[str, torch.Tensor]:
        """The tensors as built, by the names that a weights file has for them."""
        return {name: self.state[kept] for name, kept in self.names.items()}

    @property
    def kept(self) -> list[torch.Tensor]:
        """The tensors of the `state_dict` as built, tied ones once."""
        return [self.state[name] for name in dict.fromkeys(self.names.values())]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of elements of each parameter, by name, tied ones once."""
        return {name: self.state[name].numel() for name in self.state if name in self.parameters}

    @cached_property
    def maps(self) -> frozenset[int]:
        """The steps of the eval form whose values are of the shape (N, C, H, W).

        Raises `NetworkError`.
        """
        nodes = self.trace(training=False).graph.nodes
        return frozenset(
            number for number, node in enumerate(nodes) if len(node.meta.get("shape", ())) == 4
        )


class CapturedModule(nn.Module):
    """A captured network in eval mode as a module: (N, C, H, W) -> (N, classes).

    Its maps have their channels last in memory, which is faster, where it computes the same so.
    Raises `NetworkError` where it does not run.
    """

    def __init__(self, network: Network, state: Mapping[str, torch.Tensor] | None = None) -> None:
        super().__init__()
        self._constants = network.constants
        weights = network.state if state is None else state
        self._program, folded = fold_norms(network.evaluating, network.maps, weights)
        judged = network.form(training=False, state=folded)
        traced = replace(judged, graph=self._program.to_graph(len(judged.images)))
        self._layout = torch.channels_last
        if not runs_alike(traced, self._layout):
            self._layout = torch.contiguous_format
        self._state = arrange(folded, self._layout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous(memory_format=self._layout)
        return self._program.run(x, self._state, self._constants)


def arrange(
    state: Mapping[str, torch.Tensor], layout: torch.memory_format
) -> dict[str, torch.Tensor]:
    """Copies of the tensors, those of four dimensions in a layout."""
    return {
        name: tensor.clone(memory_format=layout) if tensor.ndim == 4 else tensor.clone()
        for name, tensor in state.items()
    }


def runs_alike(traced: Trace, layout: torch.memory_format) -> bool:
    """Whether the operations compute the same in another layout of images and tensors.

    They do not, if one of them works on memory as it lies, or if what one writes shows in what
    another one reads since they share memory there.
    """
    if any(reads_memory(node) for node in traced.graph.nodes):
        return False
    images = traced.images.contiguous(memory_format=layout)
    try:
        with torch.no_grad():
            values = replay(traced, arrange(traced.state, layout), images, in_place=True)
        check_reads(traced.graph, values)
    except (RuntimeError, NetworkError):
        return False
    return True


@dataclass(frozen=True)
class BuiltNetwork:
    """What became of an entry's network: captured, or `error`, why not, and `remedy`.

    `runs` says whether its own forward ran on images; `late` lists the tensors that a forward adds.
    """

    network: Network | None
    error: str = ""
    remedy: str = ""
    runs: bool = True
    late: tuple[str, ...] = ()
