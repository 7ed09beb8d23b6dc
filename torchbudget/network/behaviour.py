"""What the names of a network's operations do not tell.

Whether it gives logits, and whether eval is a function of one image.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import fx

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.captured import Network
from torchbudget.network.nodes import arguments_of, draws_numbers, kind_of, written_operands
from torchbudget.network.private_torch import Operation, default_arguments
from torchbudget.network.soundness import is_probability
from torchbudget.network.trace import Trace, replay

TOLERANCE = 1e-4
"""Between the logits of an image alone and in a batch: kernels may add up in another order."""
NUM_IMAGES = 5
NUM_COPIES = 19
"""Copies of them in the largest batch that is tried, about as many as a measurement takes."""
SCALES = (0.1, 1.0, 3.0)
"""Random images are multiplied by these before it is asked whether the logits are probabilities."""


# --- eval is a function of the image --------------------------------------------------------------


def misbehaviours(network: Network) -> Iterator[str]:
    """Why the eval form is no function from one image to a logit for each class.

    Raises `NetworkError` where it does not run.
    """
    image = network.image
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((NUM_IMAGES, *image.shape), generator=generator)
    evaluating = network.trace(training=False)
    for node in drawing(evaluating):
        yield f"eval draws random numbers: {kind_of(node)}{place_of(node)}"
    for name, node in written_state(evaluating).items():
        yield f"a forward in eval mode changes {name}: {kind_of(node)}{place_of(node)}"
    together = _run(network, images)
    if reason := _describe_wrong_logits(together, image):
        yield reason
        return
    if all(is_probability(_run(network, scale * images)) for scale in SCALES):
        yield "forward ends with a softmax: return the logits (a log_softmax is fine)"
    yield from _depends_on_batch(network, images, together)


def _run(network: Network, images: torch.Tensor) -> torch.Tensor:
    state = {name: tensor.clone() for name, tensor in network.state.items()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return network.evaluating.run(images, state, network.constants)
    except Exception as error:
        raise NetworkError(f"forward raises {type(error).__name__}: {error}") from error


def place_of(node: fx.Node) -> str:
    """Where an operation stands in the code, as messages end: " in block1 (nets.py:31)"."""
    module, source = node.meta.get("module", ""), node.meta.get("source", "")
    return (f" in {module}" if module else "") + (f" ({source})" if source else "")


def drawing(traced: Trace) -> list[fx.Node]:
    """The operations on which the logits depend and that draw random numbers.

    An operation whose own arguments say that it draws none, such as a dropout out of training, is
    none of them.
    """
    return [
        node
        for node in traced.graph.nodes
        if node in traced.computing and draws_numbers(node) and not _is_inert(node)
    ]


def _is_inert(node: fx.Node) -> bool:
    assert isinstance(node.target, Operation)
    arguments = {**default_arguments(node.target), **arguments_of(node)}
    if any(arguments.get(name) is False for name in ("train", "training")):
        return True
    chances = [arguments[name] for name in ("p", "dropout_p", "dropout") if name in arguments]
    return bool(chances) and all(chance == 0 for chance in chances)


def written_state(traced: Trace) -> dict[str, fx.Node]:
    """The tensors of the state that a forward writes to, and the operation that does."""
    state = {name: tensor.clone() for name, tensor in traced.state.items()}
    attributes = {name: tensor.clone() for name, tensor in traced.attributes.items()}
    owners = {
        tensor.untyped_storage().data_ptr(): name
        for name, tensor in [*state.items(), *attributes.items()]
        if tensor.numel()
    }
    copied = replace(traced, attributes=attributes)
    with torch.no_grad():
        values = replay(copied, state, traced.images.clone(), in_place=True)
    written: dict[str, fx.Node] = {}
    for node in traced.graph.nodes:
        for operand in written_operands(node):
            value = values.get(operand)
            if value is not None:
                name = owners.get(value.untyped_storage().data_ptr())
                if name is not None:
                    written.setdefault(name, node)
    return written


def _describe_wrong_logits(logits: torch.Tensor, image: ImageSpec) -> str:
    """What is wrong with the form of the logits of `NUM_IMAGES` images; "" for nothing."""
    wanted = f"(N, {image.num_classes}), a logit for each class"
    if logits.shape == (NUM_IMAGES, image.num_classes):
        return ""
    shape = list(map(str, logits.shape))
    if shape[:1] == [str(NUM_IMAGES)]:
        shape[0] = "N"
    return f"forward gives ({', '.join(shape)}), not {wanted}"


def _depends_on_batch(
    network: Network, images: torch.Tensor, together: torch.Tensor
) -> Iterator[str]:
    """Whether an image's logits change alone, in pairs, or beside other images."""
    alone = torch.cat([_run(network, image) for image in torch.split(images, 1)])
    pairs = torch.cat([_run(network, pair) for pair in torch.split(images, 2)])
    company = torch.cat([images[:1], 3 * images.flip(0), images.repeat(NUM_COPIES, 1, 1, 1)])
    difference = max(
        (alone - together).abs().max().item(),
        (pairs - together).abs().max().item(),
        (_run(network, company)[:1] - together[:1]).abs().max().item(),
    )
    if not difference <= TOLERANCE * max(1.0, together.abs().max().item()):
        yield f"in eval an image's logits depend on its batch: they differ by {difference:.3g}"
