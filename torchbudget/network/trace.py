"""Traces of a network from its images to its logits: the operations that run, not the modules that exist.

`make_fx` (torch.fx) records the operations before autograd decomposes them. Parameters and buffers enter the graph by name; any other
tensor that the computation uses shows up as a constant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx, nn
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.compiled import inline_compiled

INPUT_SHAPE = (2, 1, 28, 28)


@dataclass(frozen=True)
class Trace:
    """The operations of one forward of `network`, in train or eval mode, on two images.

    `graph` holds ATen operations; `state` the network's tensors by name, as the graph's placeholders take them.
    """

    graph: fx.Graph
    module: fx.GraphModule
    state: dict[str, torch.Tensor]
    images: torch.Tensor
    trainable: frozenset[str]
    training: bool

    @cached_property
    def names(self) -> dict[fx.Node, str]:
        """Each placeholder's tensor name; the images' is ""."""
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        return dict(zip(placeholders, [*self.state, ""], strict=True))

    @property
    def input(self) -> fx.Node:
        return next(node for node, name in self.names.items() if name == "")

    @cached_property
    def computing(self) -> set[fx.Node]:
        """All nodes that the logits depend on."""
        output = next(node for node in self.graph.nodes if node.op == "output")
        return closure([output], lambda node: node.all_input_nodes)

    @cached_property
    def path(self) -> list[fx.Node]:
        """The operations between the images and the logits, in the order they run."""
        from_input = closure([self.input], lambda node: node.users)
        return [
            node
            for node in self.graph.nodes
            if node.op == "call_function" and node in self.computing and node in from_input
        ]

    @cached_property
    def used(self) -> set[str]:
        """Names of the tensors of the network that the logits depend on."""
        return {name for node, name in self.names.items() if name and node in self.computing}

    @cached_property
    def constants(self) -> dict[str, torch.Tensor]:
        """Tensors that the computation uses and that are no parameter, buffer or image."""
        nodes = [
            node for node in self.graph.nodes if node.op == "get_attr" and node in self.computing
        ]
        return {node.target: getattr(self.module, node.target) for node in nodes}

    def on_path(self, kinds: set[str]) -> list[fx.Node]:
        """The operations on the path whose kind is among `kinds`."""
        return [node for node in self.path if kind_of(node) in kinds]

    @cached_property
    def values(self) -> dict[fx.Node, torch.Tensor]:
        """What each operation on the path gives for `images`."""
        return Recorder(self).record()

    def run(self) -> torch.Tensor:
        """What the traced operations make of `images`."""
        output = self.module(
            {name: tensor.clone() for name, tensor in self.state.items()}, self.images
        )
        return output[0] if isinstance(output, (list, tuple)) else output

    @cached_property
    def influences(self) -> set[fx.Node]:
        """The operations on the path whose value moves the logits: their gradient is not all zero."""
        recorder = Recorder(self, with_gradients=True)
        values = recorder.record()
        nodes = [node for node in self.path if values[node].requires_grad]
        logits = recorder.logits
        weights = torch.linspace(1, 2, logits.numel()).view_as(logits)
        gradients = torch.autograd.grad(
            (logits * weights).sum(), [values[node] for node in nodes], allow_unused=True
        )
        return {
            node
            for node, gradient in zip(nodes, gradients, strict=True)
            if gradient is not None and gradient.any()
        }


class Recorder(fx.Interpreter):
    """Runs a trace again and keeps the value of each operation. In-place operations get a copy, so that earlier values stay."""

    def __init__(
        self, trace: Trace, with_gradients: bool = False, images: torch.Tensor | None = None
    ) -> None:
        super().__init__(trace.module, garbage_collect_values=False)
        self.trace, self.with_gradients = trace, with_gradients
        self.images = trace.images if images is None else images
        self.recorded: dict[fx.Node, torch.Tensor] = {}
        self.logits: torch.Tensor | None = None

    def record(self) -> dict[fx.Node, torch.Tensor]:
        state = [self._stir(name, tensor) for name, tensor in self.trace.state.items()]
        images = self.images.clone().requires_grad_(self.with_gradients)
        with torch.set_grad_enabled(self.with_gradients), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            output = self.run(*state, images)
        self.logits = output[0] if isinstance(output, (list, tuple)) else output
        return self.recorded

    def _stir(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of a state's tensor; one that trains is moved a little, so that what starts at zero is not taken for dead."""
        generator = torch.Generator().manual_seed(tensor.numel())
        moves = name in self.trace.trainable and tensor.is_floating_point()
        return (
            tensor + 0.01 * torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
            if moves
            else tensor.clone()
        )

    def run_node(self, node: fx.Node) -> object:
        if (
            node.op == "call_function"
            and kind_of(node).endswith("_")
            and node.args
            and isinstance(node.args[0], fx.Node)
        ):
            self.env[node.args[0]] = self.env[node.args[0]].clone()
        value = super().run_node(node)
        if isinstance(value, torch.Tensor):
            self.recorded[node] = value
        return value


def closure(start: Iterable[fx.Node], step) -> set[fx.Node]:
    """All nodes reached from `start` by `step`, itself included."""
    reached, waiting = set(), list(start)
    while waiting:
        if (node := waiting.pop()) not in reached:
            reached.add(node)
            waiting.extend(step(node))
    return reached


def kind_of(node: fx.Node) -> str:
    """ATen name of an operation without namespace and overload: "conv2d"."""
    return (
        node.target._schema.name.split("::")[-1]
        if isinstance(node.target, torch._ops.OpOverload)
        else str(node.target)
    )


def shape_of(node: fx.Node) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def trace(
    network: nn.Module, image: ImageSpec, training: bool, batch: int = INPUT_SHAPE[0]
) -> Trace:
    """Trace `network` in train or eval mode on `batch` images; raises `NetworkError`. The network keeps its mode and its state."""
    was_training = network.training
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((batch, *image.shape), generator=generator)
    try:
        tensors = dict(network.named_parameters()) | dict(network.named_buffers())  # tied ones once
        trainable = frozenset(name for name, tensor in tensors.items() if tensor.requires_grad)
        state = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        shapes = tracing(
            TracingContext(FakeTensorMode(allow_fallback_kernels=True))
        )  # else make_fx makes a mode for each tensor
        with inline_compiled(), shapes, torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            network.train(training)
            module = make_fx(
                lambda tensors, batch: call_with(network, tensors, batch), pre_dispatch=True
            )(state, images)
    except Exception as error:
        raise NetworkError(
            f"the network cannot be traced: {type(error).__name__}: {error}"
        ) from error
    finally:
        network.train(was_training)
    return Trace(module.graph, module, state, images, trainable, training)


def call_with(
    network: nn.Module, state: dict[str, torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """The logits of `images` with `state` in the place of the network's tensors; a tensor that several modules share is replaced in each."""
    first: dict[int, str] = {}
    names = {}
    for prefix, module in network.named_modules():  # a module under two names comes once
        for key, tensor in {**module._parameters, **module._buffers}.items():
            if tensor is not None:
                name = f"{prefix}.{key}".lstrip(".")
                names[name] = first.setdefault(id(tensor), name)
    return functional_call(
        network,
        {name: state[source] for name, source in names.items()},
        (images,),
        tie_weights=False,
    )


def build(network) -> nn.Module:
    """An instance of an entry's network, its initial weights drawn from seed 0; raises `NetworkError`."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = network()
    except Exception as error:
        raise NetworkError(
            f"the network cannot be built: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(made, nn.Module):
        raise NetworkError(f"network() gives a {type(made).__name__}, not an nn.Module")
    return made
