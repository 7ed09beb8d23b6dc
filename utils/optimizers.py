"""The optimizers that a recipe can name, and Lookahead, which wraps one."""

from dataclasses import dataclass

import torch
from torch import nn

from torchbudget.declare.validation import check, check_counts, check_kind, reject


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What turns gradients into steps."""

    def build(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Torch's optimizer over every parameter of `network` that trains, at the rate `lr`."""
        raise NotImplementedError


def group_parameters(network: nn.Module, decay_all: bool) -> list[dict[str, object]]:
    """The parameters that train: weights, then biases and norms, which may be spared the decay."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    weights: dict[str, object] = {"params": [p for p in trainable if p.ndim > 1]}
    vectors: dict[str, object] = {"params": [p for p in trainable if p.ndim <= 1]}
    if not decay_all:
        vectors["weight_decay"] = 0.0
    return [weights, vectors]


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum (in the Nesterov form, Sutskever et al. 2013).

    `decay_all=False` spares biases and norms the weight decay.
    """

    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, momentum=(0, 0.9999), weight_decay=(0, 1))
        check_kind(self, bool, "nesterov", "decay_all")
        if self.nesterov and not self.momentum:
            reject(self, "nesterov needs a momentum above 0")

    def build(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            group_parameters(network, self.decay_all),
            lr,
            self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015); with `decoupled=True`, AdamW (Loshchilov & Hutter 2019).

    `decay_all=False` spares biases and norms the weight decay.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    decoupled: bool = False
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, beta1=(0, 0.9999), beta2=(0, 0.999999), weight_decay=(0, 1))
        check_kind(self, bool, "decoupled", "decay_all")

    def build(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        kind = torch.optim.AdamW if self.decoupled else torch.optim.Adam
        return kind(
            group_parameters(network, self.decay_all),
            lr,
            (self.beta1, self.beta2),
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True, kw_only=True)
class Lookahead:
    """Every `k` steps: slow += alpha * (fast - slow), then fast = slow (Zhang et al. 2019)."""

    k: int = 5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "k")
        check(self, alpha=(0, 1))

    def wrap(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """pytorch_optimizer's Lookahead around `optimizer`, whose weights are the fast ones."""
        from pytorch_optimizer import Lookahead as LookaheadOptimizer

        return LookaheadOptimizer(optimizer, k=self.k, alpha=self.alpha)
