"""Files in the form of Kaggle's digit-recognizer."""

from pathlib import Path

import torch

from utils.kaggle import PIXELS


def write_csv(path: Path, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> Path:
    """The images in the competition's form, with labels as a train.csv."""
    table = (
        pixels.flatten(1) if labels is None else torch.cat([labels[:, None], pixels.flatten(1)], 1)
    )
    header = PIXELS if labels is None else ["label", *PIXELS]
    path.write_text(
        "\n".join([",".join(header), *(",".join(map(str, row)) for row in table.tolist())]) + "\n",
        encoding="utf-8",
    )
    return path
