"""Tensors that come late: what a forward adds to the tensors that a network was built with."""

import copy

import torch
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.private_torch import run_eagerly


def late_tensors(network: nn.Module, image: ImageSpec) -> list[str]:
    """What a forward in train or in eval mode adds, reshapes or removes among the named tensors."""
    late: list[str] = []
    network = copy.deepcopy(network)
    built = _shapes(network)
    for training, mode in ((True, "train"), (False, "eval")):
        with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
            network.train(training)
            network(torch.zeros(2, *image.shape))
        shapes = _shapes(network)
        for name, shape in shapes.items():
            if shape != built.get(name):
                was = built.get(name, "absent")
                late.append(f"{name} {shape} in {mode} mode, {was} when built")
        late += [f"{name} is gone in {mode} mode" for name in built if name not in shapes]
    return list(dict.fromkeys(late))


def _named_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    parameters = dict(network.named_parameters(remove_duplicate=False))
    return {**parameters, **dict(network.named_buffers(remove_duplicate=False))}


def _shapes(network: nn.Module) -> dict[str, str]:
    return {
        name: "unshaped" if nn.parameter.is_lazy(tensor) else str(list(tensor.shape))
        for name, tensor in _named_tensors(network).items()
    }
