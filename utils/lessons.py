"""What a teacher answers: logits of augmented copies of the training images, kept on disk.

A copy is made from its number alone, so every seed and every student of the same teacher, images
and augmentation has the same ones; the teacher answers each copy once, in bf16 where that is
native. Answers are kept as float16 under the digest of all that they depend on. The least recently
used go when the folder has grown to `MAX_BYTES`.
"""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from tqdm import tqdm

from torchbudget.data.images import Images, as_floats
from torchbudget.declare.entry import Ensemble, describe
from torchbudget.declare.views import View
from torchbudget.errors import NetworkError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.measure import infer
from torchbudget.evidence.results import TeacherRecord
from torchbudget.evidence.weights import load_weights
from torchbudget.network.ensemble import EnsembleNetwork
from torchbudget.network.soundness import lay_out
from torchbudget.network.trace import build
from utils.augmentations import Augmentation, augment_batches
from utils.precision import autocast, choose_precision
from utils.teacher import Teacher

MAX_BYTES = 2**30
"""What the answers on disk may take; a copy of MNIST's 55,000 training images takes 1.1 MB."""
FORM = 1
"""Of the copies and answers; another one where they are made in another way."""
CHUNK = 4_000
"""Images at a time that are augmented, at most."""


@dataclass(frozen=True)
class Lesson:
    """A copy of the training images, uint8 (N, C, H, W), and what the teacher answers to it.

    `answers` are logits, float16 (N, classes).
    """

    pixels: torch.Tensor
    answers: torch.Tensor

    def to(self, device: torch.device) -> "Lesson":
        return Lesson(self.pixels.to(device), self.answers.to(device))


class Lessons:
    """The lessons of a teacher on training images, in `folder`.

    `paths` are the weights files of the teacher's networks by their runs' names, `record` their
    digests. `batch_size` matters to augmentations that choose among the images of a batch.
    """

    def __init__(
        self,
        teacher: Teacher,
        record: TeacherRecord,
        paths: dict[str, Path],
        train: Images,
        batch_size: int,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.teacher = teacher
        self.record = record
        self.paths = paths
        self.train = train.to(torch.device("cpu"))
        self.batch_size = batch_size
        self.folder = folder
        self.device = device
        self.precision = choose_precision("bf16", device)
        self._network: nn.Module | None = None

    def prepare(self, augment: tuple[Augmentation, ...], epoch: int) -> None:
        """Have the teacher answer the copy of an epoch, unless it has; raises `NetworkError`.

        It takes none of the student's time: each copy is answered once for all.
        """
        path = self._path(augment, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if self._read(path) is None:
                self._write(path, self._answer(self.copy(augment, epoch)))

    def get(self, augment: tuple[Augmentation, ...], epoch: int) -> Lesson:
        """The lesson of an epoch, 0-based; raises `NetworkError`."""
        pixels = self.copy(augment, epoch)
        path = self._path(augment, epoch)
        answers = self._read(path)
        if answers is None:  # deleted meanwhile
            answers = self._answer(pixels)
        return Lesson(pixels, answers)

    # --- copies ---------------------------------------------------------------------------------

    def number(self, augment: tuple[Augmentation, ...], epoch: int) -> int:
        """Which copy an epoch has; where nothing is augmented there is one."""
        return epoch % self.teacher.copies if augment else 0

    def copy(self, augment: tuple[Augmentation, ...], epoch: int) -> torch.Tensor:
        """The training images as an epoch has them, uint8 (N, C, H, W), in their own order."""
        if not augment:
            return self.train.pixels
        fitted = tuple(augmentation.fit(self.train.image) for augmentation in augment)
        generator = torch.Generator().manual_seed(self.number(augment, epoch))
        size = self.batch_size
        parts = []
        for part in torch.arange(len(self.train)).split(max(CHUNK // size, 1) * size):
            chosen = self.train[part]
            floats = augment_batches(
                fitted, as_floats(chosen.pixels), chosen.labels, size, generator
            )
            parts.append(floats.mul_(255).round_().clamp_(0, 255).to(torch.uint8))
        return torch.cat(parts)

    # --- answers --------------------------------------------------------------------------------

    def _answer(self, pixels: torch.Tensor) -> torch.Tensor:
        """The teacher's logits of `pixels`, float16 (N, classes)."""
        views: tuple[View, ...] = self.teacher.entry.views
        network = self._make_network()
        image = self.train.image
        chunks = tqdm(
            pixels.split(CHUNK),
            desc=f"{self.teacher.entry.name} answers",
            leave=False,
            disable=None,
        )
        with autocast(self.precision, self.device):
            answers = torch.cat(
                [infer(network, part, image, self.device, views) for part in chunks]
            )
        halves = answers.half()
        if not halves.isfinite().all():
            raise NetworkError(
                f"{self.teacher.entry.name} gives logits above 65,504, which half precision cannot "
                "hold; let another entry teach"
            )
        return halves

    def _make_network(self) -> nn.Module:
        """The networks that answer, as one."""
        if self._network is None:
            entry = self.teacher.entry
            networks = [
                load_weights(path, build(member.network))
                for (member, _), path in zip(
                    self.teacher.networks, self.paths.values(), strict=True
                )
            ]
            vote = entry.vote if isinstance(entry, Ensemble) else "probabilities"
            network = networks[0]
            if len(networks) > 1:
                network = EnsembleNetwork([lambda one=one: one for one in networks], vote)
            lay_out(network, self.train.image)
            self._network = network.eval()
        return self._network

    # --- on disk --------------------------------------------------------------------------------

    def _path(self, augment: tuple[Augmentation, ...], epoch: int) -> Path:
        """The file of a copy's answers, by the digest of what they depend on."""
        entry = self.teacher.entry
        by_batch = any(augmentation.by_batch for augmentation in augment)
        what = {
            "form": FORM,
            "weights": list(self.record.weights.values()),
            "precision": self.precision,
            "vote": entry.vote if isinstance(entry, Ensemble) else "probabilities",
            "views": describe(entry.views),
            "train": self.train.digest,
            "image": [self.train.image.mean, self.train.image.std],
            "augment": describe(augment),
            "batch_size": self.batch_size if by_batch else None,
            "copy": self.number(augment, epoch),
        }
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest}.safetensors"

    def _read(self, path: Path) -> torch.Tensor | None:
        """The answers in a file; None where there is none, or it is not whole."""
        shape = (len(self.train), self.train.image.num_classes)
        try:
            tensors = load(path.read_bytes())
            answers, checksum = tensors["answers"], tensors["sha256"]
        except (FileNotFoundError, SafetensorError, KeyError):
            return None
        fits = (answers.shape, answers.dtype) == (shape, torch.float16)
        if not fits or not torch.equal(checksum, _checksum(answers)):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return answers

    def _write(self, path: Path, answers: torch.Tensor) -> None:
        write_atomically(path, save({"answers": answers, "sha256": _checksum(answers)}))
        files = [(file, file.stat()) for file in self.folder.glob("*.safetensors")]
        files.sort(key=lambda pair: pair[1].st_mtime)
        total = sum(stat.st_size for _, stat in files)
        for file, stat in files:
            if total <= MAX_BYTES or file == path:
                break
            file.unlink(missing_ok=True)
            file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
            total -= stat.st_size


def _checksum(answers: torch.Tensor) -> torch.Tensor:
    """SHA-256 of the numbers, uint8 (32,)."""
    digest = hashlib.sha256(answers.contiguous().numpy().tobytes()).digest()
    return torch.frombuffer(bytearray(digest), dtype=torch.uint8)
