"""A network that cannot be trained or judged is named before the first step, in one line."""

import pytest
import torch
from networks import Net
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.soundness import check_network, make_network

COLOUR = ImageSpec(shape=(3, 16, 20), num_classes=7)
DIGITS = ImageSpec(shape=(1, 28, 28), num_classes=10)


class Head(nn.Module):
    """A pooled image, through `layers`, to `num_classes` outputs."""

    def __init__(self, num_classes: int = 7, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, num_classes), *layers)

    def forward(self, x):
        return self.block(x.mean((2, 3)))


class Broken(Head):
    """Its own forward raises, not a layer of it."""

    def forward(self, x):
        return self.block(x.mean((2, 3))).view(5)


class Twice(Head):
    """Two outputs, as of a network with an auxiliary classifier."""

    def forward(self, x):
        return super().forward(x), x


class OnlyInTraining(Head):
    def forward(self, x):
        return super().forward(x)[:, : 6 if self.training else 7]


UNSOUND = {
    "too many logits": (Head(11), "gives (2, 11) logits, (2, 7) are needed: the data set has 7"),
    "a map": (nn.Conv2d(3, 7, 3), "gives (2, 7, 14, 18) logits, (2, 7) are needed"),
    "a tuple": (Twice(), "gives a tuple"),
    "too few in train mode": (OnlyInTraining(), "gives (2, 6) logits"),
    "probabilities": (Head(7, nn.Softmax(1)), "leave out the softmax"),
    "infinite": (Head(7, nn.Threshold(9e9, torch.inf)), "infinite or NaN"),
    "a layer that does not fit": (Head(7, nn.Linear(8, 7)), "mat1 and mat2 shapes"),
    "its own forward": (Broken(), "Broken.forward: shape '[5]' is invalid"),
    "another number of channels": (nn.Sequential(nn.Conv2d(1, 7, 3)), "0: Given groups=1"),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_what_is_not_logits_is_named_in_one_line(what):
    network, message = UNSOUND[what]
    with pytest.raises(NetworkError) as caught:
        check_network(network, COLOUR)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_sound_network_and_the_generator_stay_as_they_are():
    torch.manual_seed(0)
    network = Net().eval()
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    other = Head()
    random = torch.get_rng_state()
    check_network(network, DIGITS)
    check_network(other, COLOUR)
    assert torch.equal(torch.get_rng_state(), random)
    assert not network.training
    assert all(torch.equal(tensors[name], now) for name, now in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def refuse():
    raise ValueError("a width of 0\nis none")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (refuse, "the network cannot be built: a width of 0"),
        (dict, "network\\(\\) gives a dict, not an nn.Module"),
    ],
)
def test_what_makes_no_network_is_named(factory, message):
    with pytest.raises(NetworkError, match=f"^{message}$"):
        make_network(factory)
