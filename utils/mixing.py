"""MixUp and CutMix, as torchvision's transforms make them."""

import torch

from utils.recipe import Mix

CLASSES = 10


def mix_batch(
    mix: Mix | None, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 1, H, W) and (B,) -> the same, or mixed images and the shares of the digits in each (B, 10).

    Draws from torch's global generator, as torchvision does; where nothing is declared, nothing is drawn.
    """
    if mix is None or torch.rand(()).item() >= mix.p:
        return images, labels
    from torchvision.transforms import v2

    by_patches = torch.rand(()).item() < mix.cutmix
    kind, alpha = (v2.CutMix, mix.cutmix_alpha) if by_patches else (v2.MixUp, mix.mixup_alpha)
    return kind(alpha=float(alpha), num_classes=CLASSES)(images, labels)
