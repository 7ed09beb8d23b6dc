"""All that is static about a network, measured when first asked for and then kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError, Unmeasurable
from torchbudget.network.behaviour import differs_from_its_trace, misbehaviours
from torchbudget.network.cost import feature_field, peak_activation_bytes, weight_bytes
from torchbudget.network.hidden import hidden_numbers, late_tensors
from torchbudget.network.layers import Probe
from torchbudget.network.multiply_adds import count_multiply_adds
from torchbudget.network.structure import count_params, count_used, traces_digest
from torchbudget.network.trace import Trace, build, trace


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
        for name in ("network", "train_trace", "eval_trace", "_probe"):
            self.__dict__.pop(name, None)

    # --- identity and size ------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the network computes in both modes."""
        return traces_digest(self.train_trace, self.eval_trace)

    @cached_property
    def num_params(self) -> int:
        """The parameters that the network declares."""
        return count_params(self.network)

    @cached_property
    def num_used(self) -> int:
        """The parameters that the logits depend on."""
        return count_used(self.network, self.train_trace, self.eval_trace)

    @cached_property
    def hidden(self) -> dict[str, int]:
        """How many numbers are held outside the parameters, by what holds them."""
        return hidden_numbers(self.network, self.train_trace, self.eval_trace)

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
        return self.num_params + sum(self.hidden.values()), self.counted_multiply_adds

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
            return Probe(self.network, self.image)

    @cached_property
    def counted_multiply_adds(self) -> int:
        """Multiply-adds of convolutions and matrix products for one image."""
        return count_multiply_adds(self.network, self.image)

    @cached_property
    def multiply_adds(self) -> int:
        """`counted_multiply_adds`, and matrix products that are written as something else."""
        return max(self.counted_multiply_adds, sum(self._probe.multiply_adds.values()))

    @cached_property
    def activation_bytes(self) -> int:
        """The most bytes that an image's activations hold at once."""
        return peak_activation_bytes(self.eval_trace)

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all tensors of the `state_dict`."""
        return weight_bytes(self.network)

    @cached_property
    def receptive_field(self) -> int:
        """The side of the square of pixels that a feature sees."""
        return feature_field(self._probe, self.eval_trace)


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
    def receptive_field(self) -> int:
        return max(member.receptive_field for member in self.members)


@contextmanager
def _measuring(remedy: str) -> Iterator[None]:
    """Turn a `NetworkError` into an `Unmeasurable` with `remedy`."""
    try:
        yield
    except NetworkError as error:
        raise Unmeasurable(str(error), remedy) from error
