"""What there is to observe of an entry: measured when a gate first asks, shared by all gates."""

from collections.abc import Callable, Hashable
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.mnist import IMAGE
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.errors import DataError, Unmeasurable, WeightsError
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.results import Run, evidence_of
from torchbudget.evidence.weights import load_shipped, weights_paths
from torchbudget.gates.baseline import Baseline
from torchbudget.network.ensemble import EnsembleNetwork, vote
from torchbudget.network.inspection import EnsembleInspection, Inspection
from torchbudget.network.trace import Trace


class Inspections:
    """The networks of a zoo: entries of the same network share what is measured of it."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Inspection] = {}

    def of(self, entry: Entry) -> Inspection:
        """The inspection of an entry's network."""
        key = _key_of(entry)
        if key not in self._by_key:
            image = image_of(entry)
            if entry.voters:
                members = [self.of(member) for member, _ in entry.voters]
                self._by_key[key] = EnsembleInspection(entry.network, image, members)
            else:
                self._by_key[key] = Inspection(entry.network, image)
        return self._by_key[key]

    def release_all_but(self, entries: list[Entry]) -> None:
        """Let go of networks and traces that neither `entries` nor their members need."""
        needed: set[Hashable] = set()
        for entry in entries:
            needed.add(_key_of(entry))
            needed.update(_key_of(member) for member, _ in entry.voters)
        for key, inspection in self._by_key.items():
            if key not in needed:
                inspection.release()


def image_of(entry: Entry) -> ImageSpec:
    """The form of the images that an entry's network takes."""
    return IMAGE


def _key_of(entry: Entry) -> Hashable:
    return identify(entry.network), image_of(entry)


def identify(network: Callable[[], nn.Module]) -> Hashable:
    """The same for two entries whose networks the same callables make."""
    if isinstance(network, partial) and network.func is EnsembleNetwork:
        members, how = network.args
        return (EnsembleNetwork, how, *map(identify, members))
    return id(network)


class Observation:
    """The network as built and traced, the evidence by seed, the shipped weights as measured.

    `load` gives a data set by name and may raise `DataError`; `platform` names where this process
    measures; `base` is what the entry is compared with. `observe` gives the observation of an
    ensemble's member, so that weights that several entries share are measured once; `inspections`
    is where entries of the same network share what is measured of it.
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
        inspections: Inspections | None = None,
    ) -> None:
        self.entry = entry
        self.weights = weights
        self._load = load
        self.platform = platform
        self.base = base
        self._observe = observe or (
            lambda member: Observation(member, runs, weights, load, platform, base)
        )
        self.inspection = (inspections or Inspections()).of(entry)
        self.runs = [run for run in runs if run.entry == entry.name]
        self.evidence = evidence_of(entry, runs)
        self.measurements: dict[int, Measurement] = {}

    @property
    def image(self) -> ImageSpec:
        """The form of the images that the network takes."""
        return self.inspection.image

    @property
    def network(self) -> nn.Module:
        """The network as built, with its first weights; raises `Unmeasurable`."""
        return self.inspection.network

    @property
    def train_trace(self) -> Trace:
        """Raises `Unmeasurable`."""
        return self.inspection.train_trace

    @property
    def eval_trace(self) -> Trace:
        """Raises `Unmeasurable`."""
        return self.inspection.eval_trace

    @cached_property
    def parts(self) -> list["Observation"]:
        """An ensemble's members, one for each that votes, else the entry itself."""
        return [self._observe(member) for member, _ in self.entry.voters] or [self]

    @property
    def network_digest(self) -> str:
        """Raises `Unmeasurable`."""
        return self.inspection.digest

    @property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, and its multiply-adds; of an ensemble its members'."""
        return self.inspection.size

    @cached_property
    def dataset(self) -> Dataset:
        try:
            return self._load(self.entry.dataset)
        except DataError as error:
            raise Unmeasurable(str(error), "give --data-root, the folder of the data") from error

    @cached_property
    def split(self) -> tuple[Images, Images]:
        """The images that the recipe trains on, and those that it chooses by."""
        return split_train_val(self.dataset, self.entry.recipe.val_images)

    def run_of(self, seed: int) -> Run:
        """The evidence of `seed`; raises `Unmeasurable`."""
        if seed not in self.evidence:
            raise Unmeasurable(
                f"no evidence of seed {seed} on {self.entry.dataset}",
                self._remedy(seed),
            )
        return self.evidence[seed]

    def _remedy(self, seed: int) -> str:
        return f"train it, then: torchbudget record {self.entry.name} --seed {seed}"

    @property
    def declared_runs(self) -> list[Run]:
        """The evidence of every declared seed; raises `Unmeasurable` where one is missing."""
        return [self.run_of(seed) for seed in range(self.entry.budget.seeds)]

    @property
    def trainings(self) -> list[Run]:
        """The evidence of what was trained: the declared seeds, or an ensemble's members.

        Raises `Unmeasurable`.
        """
        if self.entry.voters:
            return [self._observe(member).run_of(seed) for member, seed in self.entry.voters]
        return self.declared_runs

    def weights_paths(self, seed: int) -> list[Path]:
        return weights_paths(self.entry, seed, self.weights)

    def measure(self, seed: int) -> Measurement:
        """The weights of `seed` on all test images, measured now; raises `Unmeasurable`."""
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
            raise Unmeasurable(str(error), self._remedy(seed)) from error
        return measure(network, self.dataset.test, views=self.entry.views)

    def _count_votes(self) -> Measurement:
        """The members' own measurements, put together as the network that holds them all would."""
        logits = torch.stack(
            [self._observe(member).measure(seed).logits for member, seed in self.entry.voters]
        )
        return Measurement(vote(logits, self.entry.vote), self.dataset.test.labels)
