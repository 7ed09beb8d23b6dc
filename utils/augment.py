"""Draw what each augmentation does: `python -m utils.augment` writes a grid with a row for each."""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("augment")

import sys
import textwrap
from pathlib import Path

import torch

from torchbudget.command import Parser, run_main, whole_number
from torchbudget.data.images import ImageSpec, as_floats
from torchbudget.data.mnist import load_mnist_sample
from utils.augmentations import (
    Affine,
    Augmentation,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Flip,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
)
from utils.plots import plot_augmentations, save_figure

SHOWN = (
    Affine(rotate=30),
    Affine(translate=0.2),
    Affine(scale=0.3),
    Affine(shear=25),
    Elastic(alpha=40),
    PadCrop(padding=4),
    Jitter(brightness=0.6, contrast=0.6),
    Cutout(size=8, p=1),
    Erase(p=1),
    Flip(p=1),
    Swell(per_class=2),
    Darken(per_class=2),
    Squeeze(per_class=2),
)
PER_CLASS = 2


def show(
    images: torch.Tensor, labels: torch.Tensor, image: ImageSpec, seed: int = 0
) -> dict[str, torch.Tensor]:
    """The images (N, C, H, W) as they are, then after each of `SHOWN`, by the row's name."""
    generator = torch.Generator().manual_seed(seed)
    rows = {"as it is": images}
    for augmentation in SHOWN:
        augmented = augmentation.fit(image).apply(images, labels, generator)
        rows[name_row(augmentation)] = augmented
    return rows


def name_row(augmentation: Augmentation) -> str:
    """The kind, and below it the fields that are not at their default, or all of a few."""
    fields = vars(augmentation)
    kind = type(augmentation)
    told = []
    for name, value in fields.items():
        if value != getattr(kind, name) or len(fields) < 3:
            told.append(f"{name} {value:g}")
    return f"{kind.__name__}\n{textwrap.fill(', '.join(told), 20)}"


def main(argv: list[str] | None = None) -> int:
    """Write the grid: two images of each class, from the sample that needs no download."""
    return run_main(lambda: draw(argv), "augment")


def draw(argv: list[str] | None) -> None:
    """Parse the options, write the grid and print where it is."""
    parser = Parser(prog="python -m utils.augment", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/augmentations.png"))
    parser.add_argument("--seed", type=whole_number, default=0)
    options = parser.parse_args(argv)
    images = load_mnist_sample().test
    chosen = [
        (images.labels == label).nonzero().flatten()[:PER_CLASS] for label in images.labels.unique()
    ]
    images = images[torch.cat(chosen)]
    rows = show(as_floats(images.pixels), images.labels, images.image, options.seed)
    print(save_figure(plot_augmentations(rows), options.out))


if __name__ == "__main__":
    sys.exit(main())
