"""A zoo for the tests of jobs: small networks on few images, some disturb their process.

`NAMES` in wanted.py beside it are the entries. A file says that a network has done its harm.
"""

import contextlib
import os
import signal
from pathlib import Path

from tiny_zoo import Tiny
from wanted import NAMES

from torchbudget import data
from torchbudget.data.mnist import load_mnist_sample
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Entry, Member
from utils.averaging import EMA
from utils.recipe import SGD, OneCycle, Recipe

FOLDER = Path(__file__).resolve().parent
STEPS = 12
"""Of an epoch: 300 images in batches of 25."""


def load():
    """300 images to train on, 100 for val, 50 to test."""
    sample = load_mnist_sample()
    train, test = sample.train, sample.test
    return (
        train.pixels[::10, 0].numpy(),
        train.labels[::10].numpy(),
        test.pixels[::20, 0].numpy(),
        test.labels[::20].numpy(),
    )


class Disturbing(Tiny):
    """Calls `disturb` in the second epoch that its process trains it, once ever."""

    steps = 0

    def forward(self, x):
        kind = type(self)
        kind.steps += self.training
        if self.training and kind.steps == STEPS + STEPS // 2:
            with contextlib.suppress(FileExistsError):
                (FOLDER / f"{kind.__name__.lower()}.done").touch(exist_ok=False)
                self.disturb()
        return super().forward(x)


class Deadly(Disturbing):
    def disturb(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Interrupting(Disturbing):
    def disturb(self):
        os.kill(os.getppid(), signal.SIGINT)


class Diverging(Tiny):
    """Its loss is not finite after a few training batches."""

    steps = 0

    def forward(self, x):
        Diverging.steps += self.training
        return super().forward(x) * (float("nan") if Diverging.steps > 5 else 1.0)


IMAGES = data.custom("few", load, load_mnist_sample().image)
RECIPE = Recipe(
    epochs=3,
    batch_size=25,
    optimizer=SGD(),
    schedule=OneCycle(max_lr=0.05),
    average=EMA(decay=0.9),
    amp="off",
    val_images=100,
)


def declare(name, network, seeds=1):
    budget = Budget(max_params=5_000, max_epochs=10, max_misses=50, seeds=seeds)
    return Entry(name=name, network=network, data=IMAGES, recipe=RECIPE, budget=budget)


PLAIN = declare("plain", Tiny, seeds=2)
ENTRIES = {
    "plain": PLAIN,
    "deadly": declare("deadly", Deadly),
    "interrupting": declare("interrupting", Interrupting, seeds=2),
    "jury": Ensemble(
        name="jury",
        members=(Member(entry=PLAIN, seeds=(0, 1)),),
        budget=Budget(max_params=10_000, max_epochs=10, max_misses=50),
    ),
    "wild": declare("wild", Diverging),
}
for name in ("one", "two", "three", "four", "five", "six"):
    ENTRIES[name] = declare(name, Tiny, seeds=2)
ZOO = tuple(ENTRIES[name] for name in NAMES)
