"""Whether a network can be trained and judged at all, found out on two images."""

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.private_torch import run_eagerly

NUM_IMAGES = 2


def make_network(factory: Callable[[], object]) -> nn.Module:
    """What `factory`, an entry's network, returns. Raises `NetworkError`.

    The initial weights are drawn from torch's global generator.
    """
    try:
        network = factory()
    except Exception as error:
        raise NetworkError(f"the network cannot be built: {_describe(error)}") from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"network() gives a {type(network).__name__}, not an nn.Module")
    return network


def check_network(network: nn.Module, image: ImageSpec) -> None:
    """Check that `network` gives finite logits for images of the form `image`.

    Two random images (2, C, H, W) go through it in train mode and in eval mode. Its tensors, its
    mode and torch's generators stay as they are. Raises `NetworkError`: one line that names the
    layer that fails, the shape that is wrong, or what else is not logits.
    """
    images = _draw_images(network, image)
    cuda = [images.device] if images.is_cuda else []
    was_training = network.training
    try:
        with torch.random.fork_rng(devices=cuda), torch.no_grad(), run_eagerly():
            for training in (True, False):
                network.train(training)
                check_logits(run(network, images), image)
    finally:
        network.train(was_training)


def _draw_images(network: nn.Module, image: ImageSpec) -> torch.Tensor:
    """Two random images (2, C, H, W) where the network is."""
    device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(NUM_IMAGES, *image.shape, generator=generator).to(device)


def lay_out(
    network: nn.Module, image: ImageSpec, layout: torch.memory_format = torch.channels_last
) -> torch.memory_format:
    """Put the tensors of `network` into `layout` and return it, if the logits stay the same there.

    With channels last its maps (N, C, H, W) are faster. Where it reads memory as it lies, as
    `x.view(len(x), -1)` does of a map, it is left as it was, contiguous.
    """
    images = _draw_images(network, image)
    was_training = network.training
    try:
        with torch.no_grad(), run_eagerly():
            network.eval()
            expected = run(network, images)
            network.to(memory_format=layout)
            found = run(network, images.contiguous(memory_format=layout))
        is_same = is_close(found, expected)
    except NetworkError:
        is_same = False
    finally:
        network.train(was_training)
    if is_same:
        return layout
    network.to(memory_format=torch.contiguous_format)
    return torch.contiguous_format


def is_close(found: object, expected: object) -> bool:
    """Whether two outputs are equal up to the rounding of another order of sums."""
    if not isinstance(found, torch.Tensor) or not isinstance(expected, torch.Tensor):
        return False
    return found.shape == expected.shape and torch.allclose(found, expected, 1e-3, 1e-3)


def run(network: nn.Module, images: torch.Tensor) -> object:
    """The output of `network` with a copy of its tensors, so that its statistics do not move.

    An error in a layer becomes a `NetworkError` that names the layer.
    """
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    copied = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    running: list[str] = []  # names of the modules whose forward has begun and not ended
    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(_push(running, name)))
        hooks.append(module.register_forward_hook(_pop(running)))
    try:
        return functional_call(network, copied, (images,))
    except Exception as error:
        where = (running and running[-1]) or f"{type(network).__name__}.forward"
        raise NetworkError(
            f"{where}: {_describe(error)} (for images of {describe_shape(images.shape)})"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def _push(running: list[str], name: str) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: object) -> None:
        running.append(name)

    return hook


def _pop(running: list[str]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: object, output: object) -> None:
        running.pop()

    return hook


def check_logits(logits: object, image: ImageSpec) -> None:
    """Check that `logits` are finite and of the shape (N, num_classes). Raises `NetworkError`."""
    needed = (NUM_IMAGES, image.num_classes)
    if not isinstance(logits, torch.Tensor):
        raise NetworkError(
            f"the network gives a {type(logits).__name__}, a tensor of {needed} logits is needed"
        )
    if tuple(logits.shape) != needed:
        raise NetworkError(
            f"the network gives {tuple(logits.shape)} logits, {needed} are needed: "
            f"the data set has {image.num_classes} classes"
        )
    if not logits.is_floating_point():
        raise NetworkError(f"the network gives {logits.dtype}, floating-point logits are needed")
    if not logits.isfinite().all():
        raise NetworkError("the network gives infinite or NaN logits before the first step")
    if is_probability(logits):
        raise NetworkError(
            "the network gives probabilities, logits are needed: leave out the softmax at its end, "
            "which the loss applies itself"
        )


def is_probability(outputs: torch.Tensor) -> bool:
    """Whether every row of `outputs` (N, classes) is a distribution, as a softmax gives it."""
    sums = outputs.float().sum(1)
    return bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


def describe_shape(shape: torch.Size) -> str:
    return "x".join(str(side) for side in shape)


def _describe(error: Exception) -> str:
    """The error's first line, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
