"""What the names of a network's operations do not tell.

Whether it gives logits, whether eval is a function of one image, and whether it computes what its
trace shows.
"""

from collections.abc import Iterator

import torch
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.private_torch import run_eagerly, without_values
from torchbudget.network.trace import Trace, call_with

TOLERANCE = 1e-4
"""Between the logits of an image alone and in a batch: kernels may add up in another order."""
NUM_IMAGES = 5
SCALES = (0.1, 1.0, 3.0)
"""Random images are multiplied by these before it is asked whether the logits are probabilities."""


# --- eval is a function of the image --------------------------------------------------------------


def misbehaviours(network: nn.Module, image: ImageSpec) -> Iterator[str]:
    """Why `network` in eval mode is no function from one image to a logit for each class.

    The network may be changed by the attempt. Raises `NetworkError` where it does not run.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((NUM_IMAGES, *image.shape), generator=generator)
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.eval()
        before = _copy_state(network)
        try:
            together = network(images)
        except Exception as error:
            raise NetworkError(f"forward raises {type(error).__name__}: {error}") from error
        if reason := _describe_wrong_logits(together, image):
            yield reason
            return
        together = together.clone()
        if not torch.equal(together, network(images)):
            yield "eval gives other logits for the same images a second time"
            return
        if changed := _changed_names(network, before):
            yield f"a forward in eval mode changes {', '.join(changed[:3])}"
        if all(_are_probabilities(network(scale * images)) for scale in SCALES):
            yield "forward ends with a softmax: return the logits (a log_softmax is fine)"
        yield from _depends_on_batch(network, images, together)


def _copy_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in network.state_dict().items()
        if isinstance(tensor, torch.Tensor)
    }


def _changed_names(network: nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    state = network.state_dict()
    return [name for name in state if name in before and not torch.equal(before[name], state[name])]


def _describe_wrong_logits(logits: object, image: ImageSpec) -> str:
    """What is wrong with the form of the logits of `NUM_IMAGES` images; "" for nothing."""
    wanted = f"(N, {image.num_classes}), a logit for each class"
    if not isinstance(logits, torch.Tensor):
        return f"forward gives a {type(logits).__name__}, not a tensor {wanted}"
    if logits.shape == (NUM_IMAGES, image.num_classes):
        return ""
    shape = list(map(str, logits.shape))
    if shape[:1] == [str(NUM_IMAGES)]:
        shape[0] = "N"
    return f"forward gives ({', '.join(shape)}), not {wanted}"


def _are_probabilities(logits: torch.Tensor) -> bool:
    sums = logits.sum(1)
    return bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), 0, TOLERANCE)


def _depends_on_batch(
    network: nn.Module, images: torch.Tensor, together: torch.Tensor
) -> Iterator[str]:
    """Whether an image's logits change alone, in pairs, or beside other images."""
    try:
        alone = torch.cat([network(image) for image in torch.split(images, 1)])
    except Exception as error:
        yield f"eval does not take an image alone: {type(error).__name__}: {error}"
        return
    pairs = torch.cat([network(pair) for pair in torch.split(images, 2)])
    company = torch.cat([images[:1], 3 * images.flip(0)])
    difference = max(
        (alone - together).abs().max().item(),
        (pairs - together).abs().max().item(),
        (network(company)[:1] - together[:1]).abs().max().item(),
    )
    if not difference <= TOLERANCE * max(1.0, together.abs().max().item()):
        yield f"in eval an image's logits depend on its batch: they differ by {difference:.3g}"


def differs_from_its_trace(network: nn.Module, traced: Trace) -> Iterator[str]:
    """How `network`, fresh from `build`, computes something else than its eval trace shows."""
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        logits = network.eval()(traced.images)
    shown = traced.run()
    if logits.shape != shown.shape or not torch.allclose(logits, shown, TOLERANCE, TOLERANCE):
        yield "the network gives other logits when it is traced than when it runs"
    if reason := _reads_values(network, traced):
        yield f"forward takes numbers out of its tensors and decides by them: {reason}"


def _reads_values(network: nn.Module, traced: Trace) -> str:
    """The error of a forward on tensors without values; "" where it needs no values."""
    mode = without_values()
    state: dict[str, torch.Tensor] = {}
    for name, tensor in traced.state.items():
        state[name] = mode.from_tensor(tensor)
    try:
        with torch.no_grad(), run_eagerly(), mode:
            call_with(network, state, mode.from_tensor(traced.images))
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return ""
