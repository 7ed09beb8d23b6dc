"""An entry as one module that needs nothing around it: views and normalisation are inside."""

import torch
from torch import nn

from torchbudget.data.images import ImageSpec, as_floats
from torchbudget.declare.views import View, transform
from torchbudget.network.ensemble import vote


def average_views(
    network: nn.Module, floats: torch.Tensor, image: ImageSpec, views: tuple[View, ...]
) -> torch.Tensor:
    """Logits (N, classes) of images (N, C, H, W) in [0, 1], as `torchbudget.evidence.measure`.

    With `views` they are the logarithm of the mean of the views' probabilities.
    """
    logits = [
        network(image.normalise(transform(view, floats).clone())) for view in views or (View(),)
    ]
    return vote(torch.stack(logits), "probabilities") if views else logits[0]


class Classifier(nn.Module):
    """Pixels, uint8 (N, C, H, W), to probabilities, float32 (N, classes)."""

    def __init__(self, network: nn.Module, image: ImageSpec, views: tuple[View, ...] = ()) -> None:
        super().__init__()
        self.network = network
        self.image = image
        self.views = views

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return average_views(self.network, as_floats(images), self.image, self.views).softmax(1)


class Viewed(nn.Module):
    """Normalised images (N, C, H, W) to the logits that their views give together in eval mode.

    In train mode it is `network` alone.
    """

    def __init__(self, network: nn.Module, image: ImageSpec, views: tuple[View, ...]) -> None:
        super().__init__()
        self.network = network
        self.image = image
        self.views = views

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return self.network(x)
        mean, std = (
            torch.tensor(values, dtype=x.dtype, device=x.device).view(-1, 1, 1)
            for values in (self.image.mean, self.image.std)
        )
        return average_views(self.network, x * std + mean, self.image, self.views)
