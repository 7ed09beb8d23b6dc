"""What there is to observe of an entry, measured when a gate first asks and then shared by all gates."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry
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


TRAIN_COMMAND = (
    "train it and record the run: torchbudget record {entry} --seed {seed} --weights FILE"
)
"""What to do where evidence is missing or stale, unless the project's configuration says it."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where an observation comes from, the same for all entries of a zoo.

    `runs` are all records, `weights` the folder of weights files. `load` gives a data set and may
    raise `DataError`. `platform` names where this process measures. `baseline` is what the entries
    are compared with. `train_command` renews a run, with {entry} and {seed} in it.
    """

    runs: list[Run]
    weights: Path
    load: Callable[[DataSpec], Dataset]
    platform: tuple[str, str]
    baseline: Baseline | None = None
    train_command: str = TRAIN_COMMAND

    def renewal(self, entry: str, seed: int = 0) -> str:
        """How to get evidence of `seed`, in the words of whoever runs the judge."""
        return self.train_command.format(entry=entry, seed=seed)


class Observation:
    """The network as built and traced, the evidence by seed, the weights measured on test.

    `observe` gives the observation of an ensemble's member, so that weights that several entries
    share are measured once; `traces` is where entries of the same network share its traces.
    """

    def __init__(
        self,
        entry: Entry,
        sources: Sources,
        observe: Callable[[Entry], "Observation"] | None = None,
        traces: dict[Hashable, Trace] | None = None,
    ) -> None:
        self.entry = entry
        self.sources = sources
        self._observe = observe or (lambda member: Observation(member, sources))
        self._traces: dict[Hashable, Trace] = {} if traces is None else traces
        self.runs = [run for run in sources.runs if run.entry == entry.name]
        self.evidence = evidence_of(entry, sources.runs)
        self.measurements: dict[int, Measurement] = {}

    @property
    def platform(self) -> tuple[str, str]:
        return self.sources.platform

    @property
    def baseline(self) -> Baseline | None:
        return self.sources.baseline

    @property
    def image(self) -> ImageSpec:
        """The form of the images: as declared, else as the data set has it."""
        return self.entry.data.image or self.dataset.image

    @cached_property
    def network(self) -> nn.Module:
        try:
            return build(self.entry.network)
        except NetworkError as error:
            raise Unmeasurable(str(error), "correct the network class") from error

    def _trace(self, training: bool, batch: int = INPUT_SHAPE[0]) -> Trace:
        key = (identify(self.entry.network), training, batch)
        try:
            if key not in self._traces:
                self._traces[key] = trace(self.network, self.image, training, batch)
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
        if isinstance(self.entry, Ensemble):
            return [self._observe(member) for member, _ in self.entry.member_runs]
        return [self]

    @cached_property
    def network_digest(self) -> str:
        return traces_digest(self.train_trace, self.eval_trace)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, and its multiply-adds; of an ensemble those of its members."""
        if isinstance(self.entry, Ensemble):
            kept, multiply_adds = zip(*[part.size for part in self.parts], strict=True)
            return sum(kept), sum(multiply_adds)
        return measure_size(self.network, self.image, self.train_trace, self.eval_trace)

    @cached_property
    def dataset(self) -> Dataset:
        """The entry's data set; raises `Unmeasurable`."""
        try:
            return self.sources.load(self.entry.data)
        except DataError as error:
            raise Unmeasurable(str(error), self.entry.data.advice) from error

    @cached_property
    def split(self) -> tuple[Images, Images]:
        """The images that the recipe trains on, and those that it chooses by."""
        return split_train_val(self.dataset, self.entry.val_images)

    def renewal(self, seed: int = 0) -> str:
        """How to get evidence of `seed`, in the words of whoever runs the judge."""
        return self.sources.renewal(self.entry.name, seed)

    def run_of(self, seed: int) -> Run:
        """The evidence of `seed`; raises `Unmeasurable`."""
        if seed not in self.evidence:
            raise Unmeasurable(
                f"no evidence of seed {seed} on {self.entry.dataset}", self.renewal(seed)
            )
        return self.evidence[seed]

    @property
    def declared_runs(self) -> list[Run]:
        """The evidence of every declared seed; raises `Unmeasurable` where one is missing."""
        return [self.run_of(seed) for seed in range(self.entry.budget.seeds)]

    @property
    def trainings(self) -> list[Run]:
        """The evidence of what was trained: the declared seeds, or an ensemble's members.

        Raises `Unmeasurable` where one is missing.
        """
        if isinstance(self.entry, Ensemble):
            return [self._observe(member).run_of(seed) for member, seed in self.entry.member_runs]
        return self.declared_runs

    def weights_paths(self, seed: int) -> list[Path]:
        return weights_paths(self.entry, seed, self.sources.weights)

    def measure(self, seed: int) -> Measurement:
        """The weights of `seed` on all test images, measured here; raises `Unmeasurable`."""
        if seed not in self.measurements:
            if isinstance(self.entry, Ensemble) and not self.entry.views:
                self.measurements[seed] = self._count_votes(self.entry)
            else:
                self.measurements[seed] = self._measure(seed)
        return self.measurements[seed]

    def _measure(self, seed: int) -> Measurement:
        try:
            network = load_shipped(self.entry, seed, self.sources.weights)
            return measure(network, self.dataset.test, views=self.entry.views)
        except (WeightsError, NetworkError) as error:
            raise Unmeasurable(str(error), self.renewal(seed)) from error

    def _count_votes(self, ensemble: Ensemble) -> Measurement:
        """The members' measurements, put together as the network that holds them all would."""
        members = [self._observe(entry).measure(seed) for entry, seed in ensemble.member_runs]
        logits = torch.stack([member.logits for member in members])
        return Measurement(vote(logits, ensemble.vote), self.dataset.test.labels)
