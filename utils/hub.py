"""What `hubconf.py` gives to `torch.hub`: a network with its weights, its transform and its card.

Everything that is needed later is imported here at once: after `torch.hub.load` this package is no
longer on the import path (see `hubconf.py`).
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from torchbudget.data.images import ImageSpec, as_floats
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import TorchBudgetError, UsageError
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.evidence.weights import load_shipped, weights_digest, weights_paths
from torchbudget.network.structure import count_params
from torchbudget.network.trace import build
from utils.cards import describe_class
from utils.classifier import Viewed
from utils.picture import SIDE, check_digits, frame_picture
from utils.runs import find_image

LICENCE = "MIT"
"""Of the code and of the weights; the file LICENSE has its text."""


class HubError(TorchBudgetError):
    """A network that cannot be given as its record says; the message says why."""


@dataclass(frozen=True)
class Zoo:
    """The entries of a folder by name, its records, and its weights."""

    entries: dict[str, Entry]
    runs: list[Run]
    weights: Path


def read_zoo(folder: Path) -> Zoo:
    """The zoo in `folder`; raises `ZooError` and `ResultsError`."""
    return Zoo(
        entries=load_zoo(folder / "zoo.py", served=("utils",)),
        runs=read_results(folder / "results.json"),
        weights=folder / "weights",
    )


def check_seed(entry: Entry, seed: object) -> None:
    """Raise `UsageError` for a seed that the entry does not declare."""
    last = entry.budget.seeds - 1
    declared = "seed 0 only" if last == 0 else f"seeds 0 to {last}"
    if type(seed) is not int or not 0 <= seed <= last:
        raise UsageError(f"{entry.name} has {declared}, not {seed!r}")


# --- the network ----------------------------------------------------------------------------------


def load_network(zoo: Zoo, name: str, pretrained: bool = True, seed: int = 0) -> nn.Module:
    """The network of an entry in eval mode: normalised images (N, C, H, W) to logits (N, classes).

    It has the shipped weights of `seed`, or, unless `pretrained`, initial ones drawn from torch's
    generator. Its attribute `transform` is a `Transform`, `meta` its card. Raises `UsageError`
    for a seed that is not declared, `WeightsError`, and `HubError` for weights that are not those
    of the record.
    """
    entry = zoo.entries[name]
    check_seed(entry, seed)
    image = find_image(entry)
    if pretrained:
        network = load_shipped(entry, seed, zoo.weights)
        weights = describe_weights(zoo, entry, seed)
    else:
        network = entry.network().eval()
        weights = dict.fromkeys(("seed", "misses", "total", "weights_sha256", "recorded"))
    meta = describe_network(zoo, entry, image) | {"parameters": count_params(network)} | weights
    if entry.views:
        network = Viewed(network, image, entry.views).eval()
    network.transform = Transform(image, entry.dataset)
    network.meta = meta
    return network


def describe_weights(zoo: Zoo, entry: Entry, seed: int) -> dict[str, Any]:
    """Of the card, what belongs to the shipped weights of `seed`; None where nothing is recorded.

    Raises `HubError` where the record is of other weights.
    """
    paths = weights_paths(entry, seed, zoo.weights)
    digest = weights_digest(paths)
    run = evidence_of(entry, zoo.runs).get(seed)
    card = {"seed": seed, "weights_sha256": digest}
    if run is None:
        return card | dict.fromkeys(("misses", "total", "recorded"))
    if digest != run.digests.weights:
        named = ", ".join(path.name for path in paths)
        raise HubError(
            f"the weights of {entry.name} ({named}) are not those that results.json records, so "
            "its misses are not theirs; restore both from git"
        )
    return card | {
        "misses": run.test.misses,
        "total": run.test.total,
        "recorded": {
            "started": run.started,
            "commit": run.commit,
            "device": run.hardware.device,
            "versions": dict(run.versions),
            "precision": run.precision,
            "epochs": run.epochs,
            "train_seconds": run.train_seconds,
            "test_reads": run.test_reads,
        },
    }


def describe_network(zoo: Zoo, entry: Entry, image: ImageSpec) -> dict[str, Any]:
    """Of the card, what is the same for all weights of the entry; plain values."""
    return {
        "name": entry.name,
        "source": entry.source,
        "misses_of_all_seeds": list_misses(zoo, entry),
        "dataset": entry.dataset,
        "shape": list(image.shape),
        "classes": image.num_classes,
        "mean": list(image.mean or ()),
        "std": list(image.std or ()),
        "views": max(len(entry.views), 1),
        "members": list_members(entry),
        "licence": LICENCE,
    }


def list_misses(zoo: Zoo, entry: Entry) -> list[int]:
    """The misses of every recorded seed, in the order of the seeds."""
    return [run.test.misses for _, run in sorted(evidence_of(entry, zoo.runs).items())]


def list_members(entry: Entry) -> list[str]:
    """The runs that vote in an ensemble; none for another entry."""
    if not isinstance(entry, Ensemble):
        return []
    return [f"{member.name}-seed{seed}" for member, seed in entry.member_runs]


# --- what it is given -----------------------------------------------------------------------------


class Transform:
    """Pictures to what the network takes: float32 (N, channels, height, width), normalised.

    A uint8 tensor or array holds one image, (H, W) or (C, H, W), or several, (N, C, H, W), as the
    data set has them. A PIL image of the network's size is taken as it is, as the data set's are.
    One of another size is taken for a picture of one digit and made into such an image as
    `predict.py` does, where the network takes 28x28 pixels and `dataset` shows digits. Raises
    `ValueError` for anything else.
    """

    def __init__(self, image: ImageSpec, dataset: str = "") -> None:
        self.image = image
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"Transform({self.image!r})"

    def __call__(self, picture: Any) -> torch.Tensor:
        pixels = self._read_picture(picture) if is_pil_image(picture) else picture
        if isinstance(pixels, np.ndarray):
            pixels = torch.from_numpy(np.ascontiguousarray(pixels))
        expected = (
            f"a PIL image, or uint8 of shape (height, width), (channels, height, width) or "
            f"(N, channels, height, width) with {'x'.join(map(str, self.image.shape))} pixels"
        )
        if not isinstance(pixels, torch.Tensor):
            raise ValueError(f"the network takes {expected}, not {type(picture).__name__}")
        if pixels.dtype != torch.uint8:
            raise ValueError(f"the network takes {expected}, not {pixels.dtype}")
        if pixels.ndim == 2:
            pixels = pixels[None]  # (H, W) -> (1, H, W)
        if pixels.ndim == 3:
            pixels = pixels[None]  # (C, H, W) -> (1, C, H, W)
        if pixels.ndim != 4 or pixels.shape[1:] != self.image.shape:
            raise ValueError(f"the network takes {expected}, not {tuple(picture.shape)}")
        return self.image.normalise(as_floats(pixels))

    def _read_picture(self, picture: Any) -> torch.Tensor:
        """The pixels (C, H, W) of a PIL image."""
        channels, height, width = self.image.shape
        if picture.size == (width, height) and channels in (1, 3):
            pixels = np.array(picture.convert("L" if channels == 1 else "RGB"))
            return torch.from_numpy(pixels).reshape(height, width, channels).permute(2, 0, 1)
        if self.image.shape == (1, SIDE, SIDE):
            check_digits("the network", self.dataset)
            return frame_picture(picture)
        raise ValueError(
            f"the network takes pictures of {width}x{height}, not {picture.width}x{picture.height}"
        )


def is_pil_image(value: object) -> bool:
    """Whether a value is a picture of Pillow's, which whoever made it has imported."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


# --- what `torch.hub.help` prints -----------------------------------------------------------------


def describe_entry(zoo: Zoo, entry: Entry) -> str:
    """The docstring of an entry's function: its sizes, misses and budget, and the parameters."""
    image = find_image(entry)
    shape = ", ".join(map(str, image.shape))
    last = entry.budget.seeds - 1
    lines = [
        f"{entry.name}: {find_params(zoo, entry):,} parameters, {describe_misses(zoo, entry)}.",
        "",
    ]
    if isinstance(entry, Ensemble):
        lines.append(f"An ensemble of {', '.join(list_members(entry))}.")
    else:
        lines.append(describe_class(entry))
    if entry.views:
        lines.append(f"In eval mode it averages over {len(entry.views)} views of an image.")
    lines += [
        f"Budget: {describe_budget(entry)}.",
        f"Source: {entry.source or 'this zoo'}. Licence: {LICENCE}.",
        "",
        "Args:",
        "    pretrained (bool): the shipped weights, else initial ones. Default: True.",
        f"    seed (int): whose weights, {'0' if last == 0 else f'0 to {last}'}. Default: 0.",
        "",
        "Returns:",
        f"    torch.nn.Module in eval mode: normalised images (N, {shape}) to logits "
        f"(N, {image.num_classes}).",
        "    Its `.transform` makes the input of a PIL image or uint8 pixels; `.meta` is its card.",
    ]
    return "\n".join(lines)


def find_params(zoo: Zoo, entry: Entry) -> int:
    """The parameters as recorded, or counted where there is no record."""
    for run in evidence_of(entry, zoo.runs).values():
        return run.params
    return count_params(build(entry.network))


def describe_budget(entry: Entry) -> str:
    budget = entry.budget
    limits = []
    if budget.max_params is not None:
        limits.append(f"fewer than {budget.max_params:,} parameters")
    if budget.max_misses is not None:
        limits.append(f"at most {budget.max_misses} misses by every seed")
    return ", ".join(limits) or "no limit of parameters or misses"


def describe_misses(zoo: Zoo, entry: Entry) -> str:
    misses = list_misses(zoo, entry)
    if not misses:
        return f"no recorded run on {entry.dataset}"
    total = next(run.test.total for run in evidence_of(entry, zoo.runs).values())
    missed = f"of {total:,} test images of {entry.dataset} missed"
    if len(misses) == 1:
        return f"{misses[0]} {missed}"
    return (
        f"{max(misses)} {missed} by the worst of {len(misses)} seeds, "
        f"{statistics.mean(misses):.1f} in the mean"
    )
