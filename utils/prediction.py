"""What the networks of a zoo predict, by torch: the digits on pictures, a competition's file."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.evidence.files import check_outputs
from torchbudget.evidence.measure import infer
from torchbudget.evidence.weights import load_shipped, load_weights, weights_paths
from utils import kaggle
from utils.origin import choose_unseen, load_trained
from utils.picture import check_digits
from utils.runs import RunPaths, find_image


def choose_entry(options: argparse.Namespace) -> Entry:
    """Raises `ZooError`, and `UsageError` for an entry that is not there or reads no digits."""
    (entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    check_digits(entry.name, entry.dataset)
    return entry


def load_network(entry: Entry, options: argparse.Namespace) -> tuple[nn.Module, list[Path]]:
    """The entry's network in eval mode with the weights asked for, and their files.

    Raises `WeightsError`.
    """
    if options.weights:
        return load_weights(options.weights, entry.network()).eval(), [options.weights]
    paths = RunPaths.beside(options.zoo)
    folder = paths.shipped.weights
    dataset = None
    if options.train_csv:
        folder = paths.local.weights
        dataset = kaggle.NAME
    files = weights_paths(entry, options.seed, folder, dataset)
    return load_shipped(entry, options.seed, folder, dataset), files


class TorchReader:
    """The network that the options name: uint8 images (N, 1, 28, 28) to probabilities (N, 10).

    Raises `ZooError`, `UsageError` and `WeightsError`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._entry = choose_entry(options)
        self._network, _ = load_network(self._entry, options)
        self.name = self._entry.name

    def __call__(self, images: np.ndarray) -> np.ndarray:
        image, views = find_image(self._entry), self._entry.views
        logits = infer(self._network, torch.from_numpy(images), image, views=views)
        return logits.softmax(1).numpy()


# --- a competition's file -------------------------------------------------------------------------


def check_output(options: argparse.Namespace) -> None:
    """Raise `UsageError` where the submission would replace what is read for it."""
    paths = RunPaths.beside(options.zoo)
    named = (options.csv, options.train_csv, options.weights, options.zoo)
    inputs = [path for path in named if path is not None]
    inputs += [paths.shipped.results, paths.local.results]
    folders = [paths.shipped.weights, paths.local.weights]
    if options.data_root:
        folders.append(options.data_root)
    check_outputs({"--out": options.out}, inputs, folders)


def predict_csv(options: argparse.Namespace) -> None:
    """Write the submission where no image of the file was trained on; else `OverlapError`."""
    check_output(options)
    entry = choose_entry(options)
    pixels = kaggle.read_test_csv(options.csv)
    network, weights = load_network(entry, options)
    paths = RunPaths.beside(options.zoo)
    stores = [paths.shipped, paths.local]
    trained = load_trained(weights, stores, options.train_csv, pixels, options.data_root)
    kept = choose_unseen(pixels, trained, options.drop_overlap)
    predictions = infer(network, pixels[kept], find_image(entry), views=entry.views).argmax(1)
    kaggle.write_submission(options.out, predictions, (kept + 1).tolist())
    print(f"{options.out}: {len(predictions):,} predictions for {options.csv}, by {entry.name}")
