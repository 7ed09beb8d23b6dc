"""Multiply-adds of convolutions and matrix products, by torch's own formulas for each."""

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from torchbudget.data.images import ImageSpec
from torchbudget.network.captured import Network
from torchbudget.network.private_torch import (
    Operation,
    OperationMode,
    inner_network,
    run_eagerly,
)


class MultiplyAddsCounter(OperationMode):
    """Counts in `multiply_adds` those of all operations that run under it."""

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds so far; one is two operations."""
        return self._operations // 2

    def __torch_dispatch__(
        self,
        func: Operation,
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        formula = flop_registry.get(func.overloadpacket)
        if formula is None and func is not torch.ops.prim.device.default:
            with self:  # in inference mode the parts of a composite operation do not come by
                value: object = func.decompose(*args, **kwargs)
            if value is not NotImplemented:
                return value
        value = func(*args, **kwargs)
        if formula is not None:
            self._operations += int(formula(*args, **kwargs, out_val=value))
        return value


def count_multiply_adds(network: nn.Module, image: ImageSpec) -> int:
    """Multiply-adds of convolutions and matrix products of a module for one image."""
    was_training = network.training
    counter = MultiplyAddsCounter()
    with torch.no_grad(), run_eagerly(), counter:
        inner_network(network.eval())(torch.zeros(1, *image.shape))
    network.train(was_training)
    return counter.multiply_adds


def count_captured(network: Network) -> int:
    """Multiply-adds of convolutions and matrix products of the eval form for one image."""
    state = {name: tensor.clone() for name, tensor in network.state.items()}
    counter = MultiplyAddsCounter()
    with torch.no_grad(), counter:
        network.evaluating.run(torch.zeros(1, *network.image.shape), state, network.constants)
    return counter.multiply_adds
