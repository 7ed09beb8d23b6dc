"""Whether training images give back the statistics that norms keep.

Running statistics count as nothing because the training images determine them. So the images are
sent through the network again, with the shipped weights, and what goes into each norm is compared,
channel by channel, with what the norm has stored.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import fx

from torchbudget.network.captured import Network
from torchbudget.network.nodes import NORMS, STATISTICS, arguments_of, kind_of
from torchbudget.network.trace import Trace, run_through

MEAN_TOLERANCE = 1.5
"""In standard deviations of the channel, the larger of the stored and the images' own.

`python tests/violations/calibrate.py` measures what honest runs need. Over the trained runs of the
zoo, on 256 of their training images, the farthest channel is 0.26 away: augmentation, dropout
before a norm and averaged weights move honest statistics as well.
"""
VARIANCE_TOLERANCE = 10.0
"""The largest ratio of a stored variance to the images' own, or the other way round.

Over the same runs the largest is 2.1.
"""
BATCH = 64
"""Images that go through a network at once, as a batch of training does."""
SHARES = torch.cat(
    [
        torch.zeros(1),
        torch.logspace(-6, -0.5, 12),
        1 - torch.logspace(-0.5, -6, 12),
        torch.ones(1),
    ]
).double()
"""Shares of the first statistics, mean 0 and variance 1, that are tried."""


@dataclass(frozen=True)
class Kept:
    """What a norm has stored, compared with what the images give.

    `mean_distance` is in standard deviations. `variance_ratio` is above 1 whichever is the larger.
    Each is that of the worst channel. `names` are the buffers, `module` and `source` the first
    norm that reads them.
    """

    names: tuple[str, str]
    module: str
    source: str
    mean_distance: float
    variance_ratio: float

    @property
    def is_strange(self) -> bool:
        """Whether it is beyond the tolerances."""
        return not (  # NaN is strange
            self.mean_distance <= MEAN_TOLERANCE and self.variance_ratio <= VARIANCE_TOLERANCE
        )


def find_strange(
    network: Network,
    state: Mapping[str, torch.Tensor],
    images: torch.Tensor,
    names: Collection[str],
) -> list[Kept]:
    """The statistics among `names` that `images` (N, C, H, W), normalised, do not give back.

    `state` holds the shipped weights. The images go through the train form, where each norm sees
    what it saw in training. Where that is not enough they go through the eval form as well:
    statistics that either gives back are not strange. Raises `NetworkError`.
    """
    strange = [kept for kept in compare(network, state, images, names, True) if kept.is_strange]
    if not strange:
        return []
    in_eval = compare(network, state, images, names, False)
    given_back = {kept.names for kept in in_eval if not kept.is_strange}
    return [kept for kept in strange if kept.names not in given_back]


def compare(
    network: Network,
    state: Mapping[str, torch.Tensor],
    images: torch.Tensor,
    names: Collection[str],
    training: bool,
) -> list[Kept]:
    """Each pair of statistics among `names`, compared with what one form of the network gives.

    Statistics that several norms share lie between what these give. Training that ended early has
    left a share of the first statistics, the same in all channels of a norm: the share is taken
    that fits best. Statistics that never moved are that share alone, and hold no information.
    """
    form = network.train if training else network.evaluating
    size = form.fixed or min(BATCH, len(images))
    inputs: dict[tuple[str, str], list[_Input]] = {}
    traced = network.form(training, images[:size], state)
    for batch in images.split(size):
        if len(batch) == size:
            _watch(replace(traced, images=batch), inputs)
    return [_judge(pair, uses, state) for pair, uses in inputs.items() if set(pair) <= set(names)]


@dataclass
class _Input:
    """What goes into a norm: the mean and the variance of each channel, a row for each batch."""

    node: fx.Node
    means: list[torch.Tensor] = field(default_factory=list)
    variances: list[torch.Tensor] = field(default_factory=list)


def _watch(traced: Trace, inputs: dict[tuple[str, str], list[_Input]]) -> None:
    """Run one batch, and add what goes into each norm to `inputs`, by the statistics it reads."""
    seen: dict[tuple[str, str], int] = {}

    def meet(node: fx.Node, call: Callable[[], object], operands: object) -> object:
        pair = _statistics_read(node, traced.names)
        if pair and isinstance(operands, list):
            values = dict(zip(node.all_input_nodes, operands, strict=True))
            data = values.get(arguments_of(node).get("input"))  # type: ignore[call-overload]
            use = seen[pair] = seen.get(pair, -1) + 1
            uses = inputs.setdefault(pair, [])
            if use == len(uses):
                uses.append(_Input(node))
            mean, variance = _moments(data, kind_of(node))
            uses[use].means.append(mean)
            uses[use].variances.append(variance)
        return call()

    with torch.no_grad():
        run_through(traced, meet)


def _statistics_read(node: fx.Node, names: Mapping[fx.Node, str]) -> tuple[str, str] | None:
    """The names of the mean and the variance that a norm stores; None for any other operation."""
    if kind_of(node) not in NORMS:
        return None
    arguments = arguments_of(node)
    mean, variance = (arguments.get(name) for name in STATISTICS)
    if not isinstance(mean, fx.Node) or not isinstance(variance, fx.Node):
        return None
    if not names.get(mean) or not names.get(variance):
        return None
    return names[mean], names[variance]


def _moments(data: torch.Tensor, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each channel of (N, C, ...): of the batch, or the mean of each image's.

    An instance norm stores the latter.
    """
    if kind == "instance_norm":
        data = data.flatten(2)  # (N, C, ...)
        mean, variance = _mean_and_variance(data, [2])
        return mean.mean(0).double(), variance.mean(0).double()
    mean, variance = _mean_and_variance(data, [dim for dim in range(data.ndim) if dim != 1])
    return mean.double(), variance.double()


def _mean_and_variance(data: torch.Tensor, dims: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Over `dims`, in two passes: several times faster than `torch.var_mean` on a CPU.

    Half precision, in which a square may be infinite, becomes float32.
    """
    data = data.to(torch.promote_types(data.dtype, torch.float32))
    mean = data.mean(dims, keepdim=True)
    return mean.squeeze(dims), (data - mean).square().mean(dims)


def _judge(pair: tuple[str, str], uses: list[_Input], state: Mapping[str, torch.Tensor]) -> Kept:
    stored_mean, stored_variance = (state[name].double() for name in pair)
    means = torch.stack([torch.stack(use.means).mean(0) for use in uses])  # (uses, C)
    variances = torch.stack([torch.stack(use.variances).mean(0) for use in uses])
    share = SHARES[:, None, None]
    means = means * (1 - share)  # (shares, uses, C)
    variances = variances * (1 - share) + share
    low, high = means.amin(1), means.amax(1)  # (shares, C)
    least, most = variances.amin(1), variances.amax(1)
    largest = torch.maximum(most, stored_variance).amax(1, keepdim=True)
    floor = 1e-3 * largest + 1e-12  # a channel that is all but constant has no ratio to speak of
    stored = torch.maximum(stored_variance, floor)
    spread = torch.maximum(stored, most).sqrt()
    outside = torch.maximum(low - stored_mean, stored_mean - high).clamp(min=0)
    distance = (outside / spread).amax(1)  # (shares,)
    ratio = torch.maximum(least.clamp(min=0).maximum(floor) / stored, stored / most.maximum(floor))
    ratio = ratio.clamp(min=1).amax(1)
    excess = torch.maximum(distance / MEAN_TOLERANCE, ratio.log() / _LOG_TOLERANCE)
    best = int(excess.nan_to_num(torch.inf).argmin())
    first = uses[0].node
    return Kept(
        names=pair,
        module=str(first.meta.get("module", "")),
        source=str(first.meta.get("source", "")),
        mean_distance=float(distance[best]),
        variance_ratio=float(ratio[best]),
    )


_LOG_TOLERANCE = torch.tensor(VARIANCE_TOLERANCE, dtype=torch.float64).log()
