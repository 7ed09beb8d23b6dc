"""Traces of a network from its images to its logits: operations that run, not modules that exist.

A dispatch mode records the ATen operations of one forward in inference mode, where torch does not
decompose them. Parameters and buffers enter the graph by name; any other tensor that the
computation uses is a constant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import fx, nn
from torch.func import functional_call

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.nodes import kind_of, reachable, run_node
from torchbudget.network.private_torch import run_eagerly, without_fast_attention
from torchbudget.network.recording import Recording
from torchbudget.network.soundness import make_network


@dataclass(frozen=True, eq=False)
class Trace:
    """The operations of one forward of a network, in train or eval mode, on `images`.

    `graph` holds ATen operations; `state` the network's tensors by name; `attributes` the tensors
    that are neither state nor images.
    `parameters` are the names in `state` of what the network declares as parameters, used or not;
    `trainable` those that require a gradient. `recording` says what a node's `meta` holds.
    """

    graph: fx.Graph
    state: dict[str, torch.Tensor]
    attributes: dict[str, torch.Tensor]
    images: torch.Tensor  # (N, C, H, W)
    parameters: frozenset[str]
    trainable: frozenset[str]
    training: bool

    @cached_property
    def names(self) -> dict[fx.Node, str]:
        """Each placeholder's tensor name; the images' is ""."""
        return {
            node: str(node.meta["tensor"]) for node in self.graph.nodes if node.op == "placeholder"
        }

    @cached_property
    def input(self) -> fx.Node:
        """The node of the images."""
        return next(node for node, name in self.names.items() if name == "")

    @cached_property
    def output(self) -> fx.Node:
        """The node whose operand is the logits."""
        (output,) = [node for node in self.graph.nodes if node.op == "output"]
        assert isinstance(output, fx.Node)
        return output

    @cached_property
    def computing(self) -> set[fx.Node]:
        """All nodes that the logits depend on."""
        return reachable([self.output], lambda node: node.all_input_nodes)

    @cached_property
    def path(self) -> list[fx.Node]:
        """The operations between the images and the logits, in the order they run."""
        from_input = reachable([self.input], lambda node: node.users)
        return [
            node
            for node in self.graph.nodes
            if node.op == "call_function" and node in self.computing and node in from_input
        ]

    @cached_property
    def learned(self) -> frozenset[str]:
        """Names of what training may change by gradients: parameters, and buffers that have one."""
        return self.parameters | self.trainable

    @cached_property
    def used(self) -> set[str]:
        """Names of the tensors of the network that the logits depend on."""
        return {name for node, name in self.names.items() if name and node in self.computing}

    @cached_property
    def constants(self) -> dict[str, torch.Tensor]:
        """Tensors that the computation uses and that are no parameter, buffer or image."""
        nodes = [node for node in self.computing if node.op == "get_attr"]
        return {name: self.attributes[name] for name in sorted(str(node.target) for node in nodes)}

    def on_path(self, kinds: set[str]) -> list[fx.Node]:
        """The operations on the path whose kind is among `kinds`."""
        return [node for node in self.path if kind_of(node) in kinds]

    @cached_property
    def influences(self) -> set[fx.Node]:
        """The operations on the path that move the logits: their gradient is not all zero."""
        attempts = [(True, True), (False, True), (True, False)]
        for in_place, through_parameters in attempts:
            try:  # first as training does it
                return self._differentiate(in_place, through_parameters)
            except RuntimeError:  # what eval does need not have a gradient
                continue
        return self._differentiate(in_place=False, through_parameters=False)

    def _differentiate(self, in_place: bool, through_parameters: bool) -> set[fx.Node]:
        state = {name: self.perturb(name, tensor) for name, tensor in self.state.items()}
        for name in self.parameters:
            if through_parameters and state[name].is_floating_point():
                state[name].requires_grad_()
        images = self.images.clone().requires_grad_()
        with torch.enable_grad():
            values = replay(self, state, images.view_as(images), in_place)
            logits = values[self.output]
            if not logits.requires_grad:
                return set()
            weights = torch.linspace(1, 2, logits.numel()).view_as(logits)
            nodes = [node for node in self.path if node in values and values[node].requires_grad]
            gradients = torch.autograd.grad(
                (logits * weights).sum(), [values[node] for node in nodes], allow_unused=True
            )
        return {
            node
            for node, gradient in zip(nodes, gradients, strict=True)
            if gradient is not None and gradient.any()
        }

    def perturb(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """A copy; a parameter is moved a little, so that one that starts at zero has an effect."""
        if name not in self.trainable or not tensor.is_floating_point():
            return tensor.clone()
        generator = torch.Generator().manual_seed(tensor.numel())
        noise = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
        return tensor + (0.01 if tensor.any() else 0.1) * noise

    def run(self) -> torch.Tensor:
        """The logits that the traced operations give for `images`."""
        state = {name: tensor.clone() for name, tensor in self.state.items()}
        with torch.no_grad():
            return replay(self, state, self.images.clone())[self.output]


def replay(
    traced: Trace, state: dict[str, torch.Tensor], images: torch.Tensor, in_place: bool = False
) -> dict[fx.Node, torch.Tensor]:
    """The value of each node when the operations run again; the output's are the logits.

    Unless `in_place`, an in-place operation changes a copy, so that earlier values stay.
    """
    current: dict[fx.Node, object] = {}  # what the next operations read
    values: dict[fx.Node, torch.Tensor] = {}
    inputs = {**state, "": images}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        for node in traced.graph.nodes:
            value: object
            if node.op == "placeholder":
                value = inputs[traced.names[node]]
            elif node.op == "get_attr":
                value = traced.attributes[str(node.target)]
            elif node.op == "output":
                value = current[node.all_input_nodes[0]]
            else:
                value = run_node(node, current, in_place)
            current[node] = value
            if isinstance(value, torch.Tensor):
                values[node] = value
    return values


def run_through(
    traced: Trace, meet: Callable[[fx.Node, Callable[[], object], object], object]
) -> None:
    """Run the operations on `images` once, each by `meet(node, call, operands)`.

    `meet` gives the value of `call()`. A value is let go of after its last use.
    """
    current: dict[fx.Node, object] = {}
    inputs = {name: tensor.clone() for name, tensor in traced.state.items()}
    inputs[""] = traced.images.clone()
    last_users: dict[fx.Node, fx.Node] = {}
    for node in traced.graph.nodes:
        for used in [node, *node.all_input_nodes]:
            last_users[used] = node
    freed: dict[fx.Node, list[fx.Node]] = {}
    for node, user in last_users.items():
        freed.setdefault(user, []).append(node)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                current[node] = inputs.pop(traced.names[node])
            elif node.op == "get_attr":
                current[node] = traced.attributes[str(node.target)].clone()
            elif node.op == "call_function":
                operands = [current[operand] for operand in node.all_input_nodes]
                call = partial(run_node, node, current, in_place=True)
                current[node] = meet(node, call, operands)
            for used in freed.get(node, ()):
                current.pop(used, None)


def counterparts(one: Trace, other: Trace) -> dict[fx.Node, fx.Node]:
    """Each node of `one` with its like in `other`, a trace of the same program."""
    return dict(zip(one.graph.nodes, other.graph.nodes, strict=True))


# --- recording ----------------------------------------------------------------------------------


def trace(network: nn.Module, image: ImageSpec, training: bool, num_images: int = 2) -> Trace:
    """Trace `network` in train or eval mode on random images of the form `image`.

    The network keeps its mode and its state. Raises `NetworkError`.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((num_images, *image.shape), generator=generator)
    return trace_on(network, images, training)


def trace_on(
    network: nn.Module,
    images: torch.Tensor,
    training: bool,
    recording: "Recording | None" = None,
) -> Trace:
    """Trace `network` on `images` (N, C, H, W); `recording`, a new one, meets each operation.

    Raises `NetworkError`.
    """
    recording = recording or Recording()
    was_training = network.training
    try:
        parameters = dict(network.named_parameters())  # tied ones once
        tensors = parameters | dict(network.named_buffers())
        trainable = frozenset(name for name, tensor in tensors.items() if tensor.requires_grad)
        state = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        inputs = {name: tensor.clone() for name, tensor in state.items()}
        batch = images.clone()
        for name, tensor in inputs.items():
            recording.add_input(tensor, name)
        recording.add_input(batch, "")
        with (
            run_eagerly(),
            without_fast_attention(),
            torch.random.fork_rng(devices=[]),
            torch.inference_mode(),
        ):
            torch.default_generator.manual_seed(0)
            network.train(training)
            with recording.watch(network), recording:
                logits = call_with(network, inputs, batch)
        if not isinstance(logits, torch.Tensor):
            raise TypeError(f"forward gives a {type(logits).__name__}, not one tensor of logits")
        recording.finish(logits)
    except Exception as error:
        raise NetworkError(
            f"the network cannot be traced: {type(error).__name__}: {error}"
        ) from error
    finally:
        network.train(was_training)
    return Trace(
        graph=recording.graph,
        state=state,
        attributes=recording.attributes,
        images=images,
        parameters=frozenset(parameters),
        trainable=trainable,
        training=training,
    )


def call_with(
    network: nn.Module, state: dict[str, torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """The logits of `images` with `state` in the place of the network's tensors.

    A tensor that several modules share is replaced in each.
    """
    first_names: dict[int, str] = {}
    replaced: dict[str, torch.Tensor] = {}
    for prefix, module in network.named_modules():  # a module under two names comes once
        for key, tensor in _own_tensors(module):
            name = f"{prefix}.{key}".lstrip(".")
            replaced[name] = state[first_names.setdefault(id(tensor), name)]
    logits: torch.Tensor = functional_call(network, replaced, (images,), tie_weights=False)
    return logits


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from nn.Module.named_parameters(module, recurse=False, remove_duplicate=False)
    yield from nn.Module.named_buffers(module, recurse=False, remove_duplicate=False)


def build(network: Callable[[], object]) -> nn.Module:
    """An instance of an entry's network, its initial weights drawn from seed 0.

    Raises `NetworkError`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make_network(network)


def runs_at_all(network: nn.Module, image: ImageSpec) -> bool:
    """Whether a forward of two random images in eval mode ends without an error."""
    images = torch.randn((2, *image.shape), generator=torch.Generator().manual_seed(0))
    try:
        with run_eagerly(), torch.no_grad(), torch.random.fork_rng(devices=[]):
            network.eval()(images)
    except Exception:
        return False
    return True
