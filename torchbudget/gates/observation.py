"""What there is to observe of an entry: measured when a gate first asks, shared by all gates."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import torch
from torch import nn

from torchbudget.data.images import Dataset, Images, ImageSpec, as_floats
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.teaching import TrainedNetwork
from torchbudget.errors import DataError, NetworkError, Unmeasurable, WeightsError
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.results import Run, evidence_of
from torchbudget.evidence.stored import count_bytes, count_scales, round_tensor
from torchbudget.evidence.weights import load_state, weights_paths
from torchbudget.gates.baseline import Baseline
from torchbudget.gates.inspections import Inspections
from torchbudget.network.captured import CapturedModule, Network
from torchbudget.network.ensemble import EnsembleNetwork, vote
from torchbudget.network.given_back import Kept, find_strange
from torchbudget.network.inspection import Inspection
from torchbudget.network.trace import Trace

NUM_SENT_AGAIN = 256
"""Training images that are sent through a network again, for the statistics that they give."""
MAX_BATCHES_AT_ONCE = 4
"""Batches that are measured at once: each holds its own maps, 0.2 GB of the zoo's largest ones."""
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
    share are measured once; `inspections` is where entries of the same network share what is
    measured of it.
    """

    def __init__(
        self,
        entry: Entry,
        sources: Sources,
        inspections: Inspections,
        observe: Callable[[Entry], "Observation"] | None = None,
    ) -> None:
        self.entry = entry
        self.sources = sources
        self._observe = observe or (lambda member: Observation(member, sources, inspections))
        self._inspections = inspections
        self.runs = [run for run in sources.runs if run.entry == entry.name]
        self.evidence = evidence_of(entry, sources.runs)
        self.measurements: dict[int, Measurement] = {}
        self.val_measurements: dict[int, Measurement] = {}
        self._strange: dict[int, list[Kept]] = {}

    @property
    def platform(self) -> tuple[str, str]:
        return self.sources.platform

    @property
    def baseline(self) -> Baseline | None:
        return self.sources.baseline

    # --- the network ------------------------------------------------------------------------------

    @property
    def image(self) -> ImageSpec:
        """The form of the images, as declared, else as the data set has it.

        Raises `Unmeasurable` where neither is there.
        """
        return self.entry.data.image or self.dataset.image

    @property
    def inspection(self) -> Inspection:
        """What is static about the network; raises `Unmeasurable`."""
        return self._inspections.of(self.entry)

    @property
    def network(self) -> Network:
        """The network as captured, with its first weights; raises `Unmeasurable`."""
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
        if isinstance(self.entry, Ensemble):
            return [self._observe(member) for member, _ in self.entry.member_runs]
        return [self]

    @property
    def network_digest(self) -> str:
        """SHA-256 of what the network computes; raises `Unmeasurable`."""
        return self.inspection.digest

    @property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, and its multiply-adds; raises `Unmeasurable`.

        The scales of weights that are stored as int8 are numbers, too.
        """
        numbers, multiply_adds = self.inspection.size
        return numbers + self.num_scales, multiply_adds

    @property
    def num_scales(self) -> int:
        """The scales in the weights file, of an ensemble in all its members'."""
        return sum(count_scales(part.network.kept, part.entry.stored) for part in self.parts)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the tensors in the weights file, tied ones once; of an ensemble its members'."""
        return sum(count_bytes(part.network.kept, part.entry.stored) for part in self.parts)

    # --- evidence and weights ---------------------------------------------------------------------

    @cached_property
    def dataset(self) -> Dataset:
        """The entry's data set; raises `Unmeasurable`."""
        try:
            return self.sources.load(self.entry.data)
        except DataError as error:
            raise Unmeasurable(str(error), self.entry.data.advice) from error

    @property
    def split(self) -> tuple[Images, Images]:
        """The images that the recipe trains on, and those that it chooses by."""
        return split_once(self.dataset, self.entry.val_images)

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

    def run_of_teacher(self, network: TrainedNetwork) -> Run:
        """The evidence of a network that taught this one; raises `Unmeasurable`."""
        entry, seed = network
        return self._observe(entry).run_of(seed)

    def path_of_teacher(self, network: TrainedNetwork) -> Path:
        """The weights file of a network that taught this one."""
        entry, seed = network
        (path,) = weights_paths(entry, seed, self.sources.weights)
        return path

    def weights_paths(self, seed: int) -> list[Path]:
        return weights_paths(self.entry, seed, self.sources.weights)

    def measure(self, seed: int) -> Measurement:
        """The graph with the weights of `seed` on all test images; raises `Unmeasurable`."""
        if seed not in self.measurements:
            self.measurements[seed] = self._measure(seed, self.dataset.test, Observation.measure)
        return self.measurements[seed]

    def find_strange(self, seed: int) -> list[Kept]:
        """The statistics of `seed` that training images do not give back; raises `Unmeasurable`.

        An ensemble has none of its own.
        """
        if seed not in self._strange:
            names = self.inspection.information.statistics
            self._strange[seed] = self._compare(seed, names) if names else []
        return self._strange[seed]

    def _compare(self, seed: int, names: frozenset[str]) -> list[Kept]:
        (path,) = self.weights_paths(seed)
        train, _ = self.split
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        pixels = train.pixels[order[:NUM_SENT_AGAIN]]
        images = train.image.normalise(as_floats(pixels))
        try:
            return find_strange(self.network, load_state(path, self.network), images, names)
        except (WeightsError, NetworkError) as error:
            raise Unmeasurable(str(error), self.renewal(seed)) from error

    @cached_property
    def learned_buffers(self) -> frozenset[str]:
        """Buffers with fractions that the logits need and that are no longer as they were built.

        By the first weights that can be read; none before there are any. An ensemble has none of
        its own.
        """
        network = self.network
        used = self.eval_trace.used - network.parameters - self.inspection.information.statistics
        names = {name for name in used if network.state[name].is_floating_point()}
        if not names or isinstance(self.entry, Ensemble):
            return frozenset()
        for seed in self.evidence:
            (path,) = self.weights_paths(seed)
            with contextlib.suppress(WeightsError):  # the chain says what is wrong
                shipped = load_state(path, network)
                return frozenset(name for name in names if not self._is_as_built(name, shipped))
        return frozenset()

    def _is_as_built(self, name: str, shipped: Mapping[str, torch.Tensor]) -> bool:
        built = self.network.state[name]
        rounded = round_tensor(built, self.entry.stored)
        return torch.equal(rounded, shipped[name].to(built.dtype))

    def measure_val(self, seed: int) -> Measurement:
        """The same on the images that the recipe chooses by; there must be some."""
        if seed not in self.val_measurements:
            _, val = self.split
            self.val_measurements[seed] = self._measure(seed, val, Observation.measure_val)
        return self.val_measurements[seed]

    def _measure(
        self, seed: int, images: Images, measure_member: Callable[["Observation", int], Measurement]
    ) -> Measurement:
        """The weights of `seed` on `images`, on which `measure_member` measures a member.

        The members' measurements are put together as the network that holds them all would.
        """
        entry = self.entry
        if isinstance(entry, Ensemble) and not entry.views:
            members = [
                measure_member(self._observe(member), number)
                for member, number in entry.member_runs
            ]
            logits = torch.stack([member.logits for member in members])
            return Measurement(vote(logits, entry.vote), images.labels)
        try:
            modules = [
                CapturedModule(part.network, load_state(path, part.network))
                for part, path in zip(self.parts, self.weights_paths(seed), strict=True)
            ]
            network: nn.Module = modules[0]
            if isinstance(entry, Ensemble):
                network = EnsembleNetwork(
                    [partial(_give, module) for module in modules], entry.vote
                )
            # a captured network is a graph, which batches may run at once
            at_once = min(torch.get_num_threads(), MAX_BATCHES_AT_ONCE)
            return measure(network, images, views=entry.views, batches_at_once=at_once)
        except (WeightsError, NetworkError) as error:
            raise Unmeasurable(str(error), self.renewal(seed)) from error


@lru_cache(maxsize=2)
def split_once(dataset: Dataset, val_images: int) -> tuple[Images, Images]:
    """`split_train_val`, whose copies of the images are shared by all entries split alike."""
    return split_train_val(dataset, val_images)


def _give(module: nn.Module) -> nn.Module:
    return module
