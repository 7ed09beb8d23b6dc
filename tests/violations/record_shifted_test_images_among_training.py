"""Caught by leak: the test images among those trained on, shifted by one pixel."""

from tampering import edit

LEAK = """
import torch
from torchbudget.data.images import Dataset, Images
from torchbudget.data.loading import LOADERS
from torchbudget.data.mnist import load_mnist_sample


def load_leaky(root, download):
    plain = load_mnist_sample()
    seen = plain.test.pixels.roll(1, 3)
    return Dataset("leaky", Images(torch.cat([plain.train.pixels, seen]), torch.cat([plain.train.labels, plain.test.labels])), plain.test)


LOADERS["leaky"] = load_leaky
"""


def tamper(folder):
    edit(folder / "zoo.py", "ZOO = (", LEAK + "\n\nZOO = (")
    edit(folder / "zoo.py", 'dataset="mnist_sample"', 'dataset="leaky"')
