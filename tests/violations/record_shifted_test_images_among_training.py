"""Caught by leak: the test images among those trained on, shifted by one pixel."""

from tampering import edit

LEAK = """
import torch
from torchbudget import data
from torchbudget.data.mnist import load_mnist_sample


def load_leaky():
    plain = load_mnist_sample()
    seen = plain.test.pixels.roll(1, 3)
    pixels = torch.cat([plain.train.pixels, seen])
    labels = torch.cat([plain.train.labels, plain.test.labels])
    return pixels, labels, plain.test.pixels, plain.test.labels


LEAKY = data.custom("leaky", load_leaky, data.MNIST_SAMPLE.image)
"""


def tamper(folder):
    edit(folder / "zoo.py", "ZOO = (", LEAK + "\n\nZOO = (")
    edit(folder / "zoo.py", "data=data.MNIST_SAMPLE", "data=LEAKY")
