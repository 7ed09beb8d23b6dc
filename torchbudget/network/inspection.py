"""All that is static about a network, measured when first asked for and then kept."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TypeVar

import torch

from torchbudget.errors import NetworkError, Unmeasurable
from torchbudget.network.averages import missing_average
from torchbudget.network.behaviour import misbehaviours
from torchbudget.network.captured import BuiltNetwork, Network
from torchbudget.network.cost import (
    Operations,
    count_operations,
    feature_field,
    peak_activation_bytes,
)
from torchbudget.network.information import Information, count_information
from torchbudget.network.layers import LayerRow, Probe, layer_table
from torchbudget.network.multiply_adds import count_captured
from torchbudget.network.nodes import describe_node
from torchbudget.network.requirements import (
    Bare,
    active_dropouts,
    bare_in_eval,
    bare_weighings,
    moving_draws,
)
from torchbudget.network.structure import traces_digest
from torchbudget.network.trace import Trace
from torchbudget.network.weighing import Structure

NUM_IMAGES = 16
"""Images whose statistics normalise a map, even one of a single pixel, in train mode."""
MAX_ELEMENTS = 2**27
"""Elements that all values of a trace may have, half a gigabyte, before it is of fewer images."""
Found = TypeVar("Found")


class Inspection:
    """One network as it was built, and what is measured of it; entries may share it.

    Every property raises `Unmeasurable` where the network could not be captured or does not run.
    """

    def __init__(self, built: BuiltNetwork) -> None:
        self.built = built

    @property
    def network(self) -> Network:
        """The network as captured, with its first weights."""
        if self.built.network is None:
            raise Unmeasurable(self.built.error, self.built.remedy)
        return self.built.network

    @cached_property
    def train_trace(self) -> Trace:
        """Two images in train mode."""
        return self._trace(training=True)

    @cached_property
    def eval_trace(self) -> Trace:
        """Two images in eval mode."""
        return self._trace(training=False)

    def _trace(self, training: bool, images: torch.Tensor | None = None) -> Trace:
        with _measuring("mend forward, so that it runs on every batch of images"):
            return self.network.trace(training, images)

    def release(self) -> None:
        """Let go of the traces; what has been measured of them stays."""
        for name in (
            "train_trace",
            "eval_trace",
            "train_structure",
            "eval_structure",
            "operations",
            "_probe",
        ):
            self.__dict__.pop(name, None)

    # --- identity and size ------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the network computes in both modes."""
        return traces_digest(self.train_trace, self.eval_trace)

    @cached_property
    def num_params(self) -> int:
        """The parameters that the network declares."""
        return sum(self.network.sizes.values())

    @cached_property
    def information(self) -> Information:
        """The numbers that the network keeps."""
        return count_information(self.train_trace, self.eval_trace)

    @property
    def hidden(self) -> dict[str, int]:
        """How many numbers are held outside the parameters, by what holds them."""
        return self.information.hidden

    @property
    def late(self) -> tuple[str, ...]:
        """What a forward adds to the tensors that the network was built with, or changes."""
        return self.built.late

    @cached_property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, in parameters and outside them, and its multiply-adds."""
        return self.information.total, self.counted_multiply_adds

    # --- structure --------------------------------------------------------------------------------

    @cached_property
    def train_structure(self) -> Structure:
        """What the network computes in train mode, on as many images as statistics ask for."""
        number = self._num_images
        if number <= len(self.train_trace.images) or self.network.train.fixed is not None:
            return Structure(self.train_trace)
        generator = torch.Generator().manual_seed(0)
        images = torch.randn((number, *self.network.image.shape), generator=generator)
        return Structure(self._trace(True, images))

    @property
    def _num_images(self) -> int:
        """Images for statistics: fewer where their activations would take too much memory."""
        shapes = [node.meta.get("shape", ()) for node in self.train_trace.graph.nodes]
        elements = sum(map(math.prod, shapes)) // len(self.train_trace.images)
        return min(NUM_IMAGES, MAX_ELEMENTS // max(elements, 1))

    @cached_property
    def eval_structure(self) -> Structure:
        """What the network computes in eval mode.

        Where activations take much memory, those of train mode are let go of first.
        """
        if self._num_images < NUM_IMAGES:
            self.__dict__.pop("train_structure", None)
        return Structure(self.eval_trace)

    @cached_property
    def bare_in_train(self) -> tuple[Bare, ...]:
        """Weighing operations on maps that the batch's statistics do not normalise."""
        return tuple(bare_weighings(self.train_structure))

    @cached_property
    def bare_in_eval(self) -> tuple[Bare, ...]:
        """Weighing operations on maps that nothing normalises in eval."""
        return tuple(bare_in_eval(self.train_trace, self.eval_structure))

    @cached_property
    def num_dropouts(self) -> int:
        """The dropouts that act in train."""
        return len(list(active_dropouts(self.train_structure)))

    @cached_property
    def drawing_in_eval(self) -> tuple[str, ...]:
        """Operations that still draw in eval, and move the probabilities."""
        return tuple(describe_node(node) for node in moving_draws(self.eval_structure))

    @cached_property
    def missing_average(self) -> str:
        """Why the logits do not follow from global averages alone; "" where they do."""
        return missing_average(self.eval_structure)

    @cached_property
    def dense_on_maps(self) -> tuple[str, ...]:
        """Operations that weigh the pixels of a map."""
        structure = self.eval_structure
        dense = [part.node for part in structure.weighings if structure.is_dense_on_map(part)]
        return tuple(map(describe_node, dense))

    # --- behaviour --------------------------------------------------------------------------------

    @cached_property
    def path_length(self) -> int:
        """The number of operations between the images and the logits in eval mode."""
        return len(self.eval_trace.path)

    @cached_property
    def misbehaviours(self) -> tuple[str, ...]:
        """Why eval is no function from an image to logits."""
        with _measuring("mend forward, so that it runs on every batch of images"):
            return tuple(misbehaviours(self.network))

    @property
    def runs(self) -> bool:
        """Whether a forward in eval mode ended without an error where it was built."""
        return self.built.runs

    # --- cost -------------------------------------------------------------------------------------

    @cached_property
    def _probe(self) -> Probe:
        with _measuring("write forward, so that it takes any number of images"):
            return Probe(self.network, self.eval_trace)

    @cached_property
    def counted_multiply_adds(self) -> int:
        """Multiply-adds for one image, by a formula for each operation: those of a record."""
        return count_captured(self.network)

    @cached_property
    def operations(self) -> Operations:
        """What each operation multiplies and adds, and what no rule counts."""
        return count_operations(self.eval_structure)

    @cached_property
    def multiply_adds(self) -> int:
        """`counted_multiply_adds`, and matrix products that are written as something else."""
        return max(self.counted_multiply_adds, self.operations.multiply_adds)

    @cached_property
    def uncounted(self) -> dict[str, float]:
        """Operations that no rule counts, each with its share of the time of a forward."""
        return self.operations.uncounted

    @cached_property
    def activation_bytes(self) -> int:
        """The most bytes that an image's activations hold at once."""
        return peak_activation_bytes(self.eval_trace)

    @cached_property
    def receptive_field(self) -> int:
        """The side of the square of pixels that a feature sees.

        0 where the network does not run on the images by which it is found.
        """
        try:
            probe = self._probe
        except Unmeasurable:
            return 0
        return feature_field(probe, self.eval_structure)

    @cached_property
    def layers(self) -> list[LayerRow]:
        """A row for each operation between the images and the logits."""
        return layer_table(self.eval_trace, self._probe, self.operations.by_node)


class EnsembleInspection(Inspection):
    """Networks that vote: what their members' measurements say is not measured again."""

    def __init__(self, built: BuiltNetwork, members: list[Inspection]) -> None:
        super().__init__(built)
        self.members = members  # one for each vote, so perhaps one several times

    @cached_property
    def size(self) -> tuple[int, int]:
        sizes = [member.size for member in self.members]
        return sum(kept for kept, _ in sizes), sum(products for _, products in sizes)

    @cached_property
    def bare_in_train(self) -> tuple[Bare, ...]:
        return self._collect(lambda member: member.bare_in_train)

    @cached_property
    def bare_in_eval(self) -> tuple[Bare, ...]:
        return self._collect(lambda member: member.bare_in_eval)

    @cached_property
    def num_dropouts(self) -> int:
        return sum(member.num_dropouts for member in self.members)

    @cached_property
    def drawing_in_eval(self) -> tuple[str, ...]:
        return self._collect(lambda member: member.drawing_in_eval)

    @cached_property
    def missing_average(self) -> str:
        return next(filter(None, (member.missing_average for member in self.members)), "")

    @cached_property
    def dense_on_maps(self) -> tuple[str, ...]:
        return self._collect(lambda member: member.dense_on_maps)

    @cached_property
    def misbehaviours(self) -> tuple[str, ...]:
        return self._collect(lambda member: member.misbehaviours)

    def _collect(self, find: Callable[[Inspection], tuple[Found, ...]]) -> tuple[Found, ...]:
        """What is found of the members, each once."""
        found: dict[Found, None] = {}
        for member in self.members:
            found |= dict.fromkeys(find(member))
        return tuple(found)

    @cached_property
    def multiply_adds(self) -> int:
        return sum(member.multiply_adds for member in self.members)

    @cached_property
    def uncounted(self) -> dict[str, float]:
        shares: dict[str, float] = {}
        for member in self.members:
            shares |= member.uncounted
        return shares

    @cached_property
    def receptive_field(self) -> int:
        return max(member.receptive_field for member in self.members)


@contextmanager
def _measuring(remedy: str) -> Iterator[None]:
    """Turn a `NetworkError` into an `Unmeasurable` with `remedy`."""
    try:
        yield
    except NetworkError as error:
        raise Unmeasurable(str(error), remedy) from error
