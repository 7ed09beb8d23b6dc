"""How steps are made of gradients: the optimisers, what may wrap them, and the learning-rate schedules that a recipe can name."""

from dataclasses import dataclass

from torchbudget.declare.validation import INFINITY, check, check_counts, check_kind, reject

# --- optimisers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What turns gradients into steps."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent (Sutskever et al. 2013 for the Nesterov form). `decay_all=False` spares biases and norms."""

    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, momentum=(0, 0.9999), weight_decay=(0, 1))
        check_kind(self, bool, "nesterov", "decay_all")
        if self.nesterov and not self.momentum:
            reject(self, "nesterov needs a momentum above 0")


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015); `decoupled=True` makes it AdamW (Loshchilov & Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    decoupled: bool = False
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, beta1=(0, 0.9999), beta2=(0, 0.999999), weight_decay=(0, 1))
        check_kind(self, bool, "decoupled", "decay_all")


@dataclass(frozen=True, kw_only=True)
class Lookahead:
    """After every `k` steps the weights go back to `alpha` of the way from where they were before them (Zhang et al. 2019)."""

    k: int = 5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "k")
        check(self, alpha=(0, 1))


# --- learning-rate schedules ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate moves; it carries the rate."""


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """`torch.optim.lr_scheduler.OneCycleLR`, cosine, a step a batch (Smith & Topin 2018). The momentum stays as it is."""

    max_lr: float = 0.1
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        check(
            self,
            max_lr=(1e-9, 1e3),
            pct_start=(0, 1),
            div_factor=(1, INFINITY),
            final_div_factor=(1, INFINITY),
        )


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """From `lr` down to `min_lr` along half a cosine, a step a batch."""

    lr: float = 0.1
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), min_lr=(0, 1e3))
        if self.min_lr > self.lr:
            reject(self, f"min_lr {self.min_lr} is above lr {self.lr}")


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Times `factor` when the val loss did not fall for more than `patience` epochs (`torch.optim.lr_scheduler.ReduceLROnPlateau`)."""

    lr: float = 1e-3
    factor: float = 0.1
    patience: int = 2

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), factor=(1e-6, 0.999999))
        check_counts(self, "patience", least=0)


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same learning rate throughout."""

    lr: float = 0.01

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3))
