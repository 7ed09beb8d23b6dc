"""MixUp and CutMix, as torchvision's transforms make them."""

from dataclasses import dataclass

import torch

from torchbudget.declare.validation import check


@dataclass(frozen=True, kw_only=True)
class Mix:
    """With probability `p` the images of a batch are mixed with each other.

    A share `cutmix` of those batches is mixed by CutMix (Yun et al. 2019), the rest by MixUp (Zhang
    et al. 2018). The proportion is drawn from Beta(alpha, alpha), with an alpha for each.
    """

    p: float = 0.5
    cutmix: float = 0.5
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0

    def __post_init__(self) -> None:
        check(self, p=(0, 1), cutmix=(0, 1), mixup_alpha=(1e-6, 1e3), cutmix_alpha=(1e-6, 1e3))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, num_classes: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, C, H, W) and labels (B,): as they are, or mixed.

        The labels of a mixed batch are the share of each class, (B, num_classes). All draws come
        from torch's global generator, which is the one that torchvision's transforms use.
        """
        if torch.rand(()).item() >= self.p:
            return images, labels
        from torchvision.transforms import v2

        if torch.rand(()).item() < self.cutmix:
            transform = v2.CutMix(alpha=float(self.cutmix_alpha), num_classes=num_classes)
        else:
            transform = v2.MixUp(alpha=float(self.mixup_alpha), num_classes=num_classes)
        return transform(images, labels)
