"""All that is static about a network, measured when first asked for and then kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from torchbudget.errors import NetworkError, Unmeasurable
from torchbudget.network.behaviour import misbehaviours
from torchbudget.network.captured import BuiltNetwork, Network
from torchbudget.network.cost import feature_field, peak_activation_bytes, weight_bytes
from torchbudget.network.hidden import hidden_numbers
from torchbudget.network.layers import LayerRow, Probe, layer_table
from torchbudget.network.multiply_adds import count_captured
from torchbudget.network.structure import count_used, traces_digest
from torchbudget.network.trace import Trace


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

    def _trace(self, training: bool) -> Trace:
        with _measuring("mend forward, so that it runs on every batch of images"):
            return self.network.trace(training)

    def release(self) -> None:
        """Let go of the traces; what has been measured of them stays."""
        for name in ("train_trace", "eval_trace", "_probe"):
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
    def num_used(self) -> int:
        """The parameters that the logits depend on."""
        return count_used(self.network, self.train_trace, self.eval_trace)

    @cached_property
    def hidden(self) -> dict[str, int]:
        """How many numbers are held outside the parameters, by what holds them."""
        return hidden_numbers(self.network, self.train_trace, self.eval_trace)

    @property
    def late(self) -> tuple[str, ...]:
        """What a forward adds to the tensors that the network was built with, or changes."""
        return self.built.late

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
            return Probe(self.network)

    @cached_property
    def counted_multiply_adds(self) -> int:
        """Multiply-adds of convolutions and matrix products for one image."""
        return count_captured(self.network)

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

    @cached_property
    def layers(self) -> list[LayerRow]:
        """A row for each operation between the images and the logits."""
        with _measuring("write forward, so that it takes any number of images"):
            return layer_table(self.network)


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
