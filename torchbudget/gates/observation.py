"""What there is to observe of an entry, measured when a gate first asks and then shared by all gates."""

from collections.abc import Callable, Hashable
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from torchbudget.data.images import Dataset, Images
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.errors import DataError, NetworkError, Unmeasurable, WeightsError
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.results import Run, evidence_of
from torchbudget.evidence.weights import load_shipped, weights_paths
from torchbudget.gates.baseline import Baseline, measure_size
from torchbudget.network.ensemble import EnsembleNetwork, vote
from torchbudget.network.layers import PROBES, Probe
from torchbudget.network.structure import traces_digest
from torchbudget.network.trace import INPUT_SHAPE, Trace, build, trace


def identify(network: Callable[[], nn.Module]) -> Hashable:
    """The same for two entries whose networks are made by the same callable, or are juries of such."""
    if isinstance(network, partial) and network.func is EnsembleNetwork:
        members, how = network.args
        return (EnsembleNetwork, how, *map(identify, members))
    return id(network)


class Observation:
    """The network as built and traced, the evidence by seed, the shipped weights measured on the test images.

    `load` gives a data set by name and may raise `DataError`; `platform` names where this process measures; `base` is what the entry is compared with.
    `observe` gives the observation of an ensemble's member, so that weights that several entries share are measured once; `traces` is where
    entries of the same network share its traces.
    """

    def __init__(
        self,
        entry: Entry,
        runs: list[Run],
        weights: Path,
        load: Callable[[str], Dataset],
        platform: tuple[str, ...],
        base: Baseline | None = None,
        observe: Callable[[Entry], "Observation"] | None = None,
        traces: dict[Hashable, Trace] | None = None,
    ) -> None:
        self.entry, self.weights, self._load, self.platform, self.base = (
            entry,
            weights,
            load,
            platform,
            base,
        )
        self._observe = observe or (
            lambda member: Observation(member, runs, weights, load, platform, base)
        )
        self._traces = {} if traces is None else traces
        self.runs = [run for run in runs if run.entry == entry.name]
        self.evidence = evidence_of(entry, runs)
        self.measurements: dict[int, Measurement] = {}

    @cached_property
    def network(self) -> nn.Module:
        try:
            return build(self.entry.network)
        except NetworkError as error:
            raise Unmeasurable(str(error), "mend the network in model.py") from error

    def _trace(self, training: bool, batch: int = INPUT_SHAPE[0]) -> Trace:
        key = (identify(self.entry.network), training, batch)
        try:
            if key not in self._traces:
                self._traces[key] = trace(self.network, training, batch)
            return self._traces[key]
        except NetworkError as error:
            raise Unmeasurable(
                str(error),
                "write forward with tensor operations whose order does not depend on pixel values",
            ) from error

    @cached_property
    def train_trace(self) -> Trace:
        return self._trace(training=True)

    @cached_property
    def eval_trace(self) -> Trace:
        return self._trace(training=False)

    @cached_property
    def probe(self) -> Probe:
        """A forward in eval mode on images that show what depends on which pixel, and what each operation costs."""
        return Probe(self._trace(training=False, batch=PROBES))

    @cached_property
    def parts(self) -> list["Observation"]:
        """What the network is made of: an ensemble's members, one for each that votes, else itself."""
        return [self._observe(member) for member, _ in self.entry.voters] or [self]

    @cached_property
    def network_digest(self) -> str:
        return traces_digest(self.train_trace, self.eval_trace)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, and its multiply-adds; of an ensemble those of its members."""
        if self.entry.voters:
            kept, multiply_adds = zip(*[part.size for part in self.parts], strict=True)
            return sum(kept), sum(multiply_adds)
        return measure_size(self.network, self.train_trace, self.eval_trace)

    @cached_property
    def dataset(self) -> Dataset:
        try:
            return self._load(self.entry.dataset)
        except DataError as error:
            raise Unmeasurable(str(error), "set MNIST_ROOT, or give --data-root") from error

    @cached_property
    def split(self) -> tuple[Images, Images]:
        """The images that the recipe trains on, and those that it chooses by."""
        return split_train_val(self.dataset, self.entry.recipe.val_images)

    def run_of(self, seed: int) -> Run:
        """The evidence of `seed`; raises `Unmeasurable`."""
        if seed not in self.evidence:
            raise Unmeasurable(
                f"no evidence of seed {seed} on {self.entry.dataset}",
                f"make train ENTRY={self.entry.name} SEED={seed}",
            )
        return self.evidence[seed]

    @property
    def declared_runs(self) -> list[Run]:
        """The evidence of every declared seed; raises `Unmeasurable` where one is missing."""
        return [self.run_of(seed) for seed in range(self.entry.budget.seeds)]

    @property
    def trainings(self) -> list[Run]:
        """The evidence of what was trained: of the declared seeds, or of an ensemble's members; raises `Unmeasurable`."""
        if self.entry.voters:
            return [self._observe(member).run_of(seed) for member, seed in self.entry.voters]
        return self.declared_runs

    def weights_paths(self, seed: int) -> list[Path]:
        return weights_paths(self.entry, seed, self.weights)

    def measure(self, seed: int) -> Measurement:
        """The weights of `seed` on all test images, measured here and now; raises `Unmeasurable`."""
        if seed not in self.measurements:
            if self.entry.voters and not self.entry.views:
                self.measurements[seed] = self._count_votes()
            else:
                self.measurements[seed] = self._measure(seed)
        return self.measurements[seed]

    def _measure(self, seed: int) -> Measurement:
        try:
            network = load_shipped(self.entry, seed, self.weights)
        except WeightsError as error:
            raise Unmeasurable(
                str(error), f"make train ENTRY={self.entry.name} SEED={seed}"
            ) from error
        return measure(network, self.dataset.test, views=self.entry.views)

    def _count_votes(self) -> Measurement:
        """The members' own measurements, put together as the network that holds them all would."""
        logits = torch.stack(
            [self._observe(member).measure(seed).logits for member, seed in self.entry.voters]
        )
        return Measurement(vote(logits, self.entry.vote), self.dataset.test.labels)
