"""All that is static about a network, measured when first asked for and then kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError, Unmeasurable
from torchbudget.network.behaviour import differs_from_its_trace, misbehaviours
from torchbudget.network.cost import (
    Operations,
    count_operations,
    feature_field,
    peak_activation_bytes,
    weight_bytes,
)
from torchbudget.network.hidden import late_tensors
from torchbudget.network.information import Information, count_information
from torchbudget.network.layers import Probe, probe_images
from torchbudget.network.structure import traces_digest
from torchbudget.network.trace import Trace, build, trace, trace_on
from torchbudget.network.weighing import Structure


class Inspection:
    """One network, built by `make`, and what is measured of it; entries may share it.

    Every property raises `Unmeasurable` where the network cannot be built, traced or run.
    """

    def __init__(self, make: Callable[[], nn.Module], image: ImageSpec) -> None:
        self.make = make
        self.image = image

    @cached_property
    def network(self) -> nn.Module:
        """The network as built, with its first weights."""
        return self._build()

    def _build(self) -> nn.Module:
        with _measuring("mend the network, so that it can be built without arguments"):
            return build(self.make)

    @cached_property
    def train_trace(self) -> Trace:
        """Two images in train mode."""
        return self._trace(training=True)

    @cached_property
    def eval_trace(self) -> Trace:
        """Two images in eval mode."""
        return self._trace(training=False)

    def _trace(self, training: bool) -> Trace:
        with _measuring(
            f"write forward with tensor operations on images {self.image.describe()}, "
            "their order independent of pixel values"
        ):
            return trace(self.network, self.image, training)

    def release(self) -> None:
        """Let go of the network and its traces; what has been measured of them stays."""
        for name in (
            "network",
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
    def information(self) -> Information:
        """The numbers that the network keeps."""
        return count_information(self.train_trace, self.eval_trace)

    @cached_property
    def late(self) -> list[str]:
        """What a forward adds to the tensors that the network was built with, or changes."""
        try:
            return late_tensors(self.network, self.image)
        except Exception as error:
            raise Unmeasurable(
                f"the network does not run: {type(error).__name__}: {error}",
                f"mend forward, so that it takes images {self.image.describe()}",
            ) from error

    @cached_property
    def size(self) -> tuple[int, int]:
        """Numbers that the network keeps, in parameters and outside them, and its multiply-adds."""
        return self.information.total, self.multiply_adds

    # --- structure --------------------------------------------------------------------------------

    @cached_property
    def train_structure(self) -> Structure:
        """What the network computes in train mode."""
        return Structure(self.train_trace)

    @cached_property
    def eval_structure(self) -> Structure:
        """What the network computes in eval mode."""
        return Structure(self.eval_trace)

    # --- behaviour --------------------------------------------------------------------------------

    @cached_property
    def path_length(self) -> int:
        """The number of operations between the images and the logits in eval mode."""
        return len(self.eval_trace.path)

    @cached_property
    def misbehaviours(self) -> tuple[str, ...]:
        """Why eval is no function from an image to logits, or not the one that is traced."""
        with _measuring(f"mend forward, so that it takes images {self.image.describe()}"):
            reasons = tuple(misbehaviours(self._build(), self.image))
            if reasons:
                return reasons
        return tuple(differs_from_its_trace(self._build(), self.eval_trace))

    @cached_property
    def runs(self) -> bool:
        """Whether a forward in eval mode ends without an error."""
        try:
            next(misbehaviours(self._build(), self.image), None)
        except (NetworkError, Unmeasurable):
            return False
        return True

    # --- cost -------------------------------------------------------------------------------------

    @cached_property
    def _probe(self) -> Probe:
        with _measuring("write forward, so that it takes any number of images"):
            traced = trace_on(self.network, probe_images(self.image), training=False)
        return Probe(traced, self.image, count=False)

    @cached_property
    def operations(self) -> Operations:
        """What each operation multiplies and adds, and what no rule counts."""
        return count_operations(self.eval_structure)

    @cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds for one image."""
        return self.operations.multiply_adds

    @cached_property
    def uncounted(self) -> dict[str, float]:
        """Operations that no rule counts, each with its share of the time of a forward."""
        return self.operations.uncounted

    @cached_property
    def activation_bytes(self) -> int:
        """The most bytes that an image's activations hold at once."""
        return peak_activation_bytes(self.eval_trace)

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all parameters and buffers."""
        return weight_bytes(self.eval_trace)

    @cached_property
    def receptive_field(self) -> int:
        """The side of the square of pixels that a feature sees.

        0 where the network takes no images with NaN, by which it is found.
        """
        try:
            self._probe  # noqa: B018
        except Unmeasurable:
            return 0
        return feature_field(self._probe, self.eval_structure)


class EnsembleInspection(Inspection):
    """Networks that vote: what their members' measurements say is not measured again."""

    def __init__(
        self, make: Callable[[], nn.Module], image: ImageSpec, members: list[Inspection]
    ) -> None:
        super().__init__(make, image)
        self.members = members  # one for each vote, so perhaps one several times

    @cached_property
    def size(self) -> tuple[int, int]:
        sizes = [member.size for member in self.members]
        return sum(kept for kept, _ in sizes), sum(products for _, products in sizes)

    @cached_property
    def misbehaviours(self) -> tuple[str, ...]:
        reasons: dict[str, None] = {}
        for member in self.members:
            reasons |= dict.fromkeys(member.misbehaviours)
        return tuple(reasons)

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
