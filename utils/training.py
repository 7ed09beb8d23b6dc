"""The training loop: one network, one recipe, one seed."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext

import msgspec
import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import Images, as_floats
from torchbudget.declare.entry import Entry
from torchbudget.errors import EXIT_FAIL, DeclarationError, TorchBudgetError
from torchbudget.evidence.measure import measure
from torchbudget.evidence.results import Count, Epoch, Seconds
from torchbudget.network.soundness import check_network, lay_out, make_network
from utils.augmentations import augment_batches
from utils.averaging import SWA, Averager
from utils.epoch_bar import open_bar, show_pace
from utils.kernels import accelerate
from utils.lessons import Lesson, Lessons
from utils.memory import keep_freed_memory
from utils.precision import autocast, choose_precision
from utils.recipe import Finish, Recipe
from utils.rounding import rounded
from utils.sampler import Sampler
from utils.schedules import LearningRate, reset_lr

STATISTICS_BATCH = 1_000
"""Images at a time from which an averaged network gets its BatchNorm statistics."""


class Diverged(TorchBudgetError):
    """The loss was not finite; the message says where, and what to try."""

    exit_code = EXIT_FAIL


class Training:
    """A run between two epochs, with all that a checkpoint holds.

    `lessons` are those of the recipe's teacher. Raises `NetworkError` before the first step if the
    network does not give logits for `train`.

    `seconds` are those of the run: from before its first tensor is made until its final weights are
    on the CPU, but for the measuring of val, the teacher's answers and what is written on disk.
    """

    def __init__(
        self,
        entry: Entry,
        seed: int,
        train: Images,
        val: Images,
        device: torch.device,
        lessons: Lessons | None = None,
    ) -> None:
        # torch imports its compiler with a process's first optimizer: that is no time of this run
        torch.optim.SGD([torch.zeros(1)])
        started = time.perf_counter()
        keep_freed_memory()
        torch.manual_seed(seed)
        self.recipe: Recipe = entry.recipe
        if bool(self.recipe.teacher) != bool(lessons):
            raise ValueError(f"{entry.name}: a recipe with a teacher, and no other, needs lessons")
        if self.recipe.rounding and entry.stored == "float32":
            raise DeclarationError(
                f'{entry.name}: rounding needs fewer bits to round to: stored="int8" or "float16"'
            )
        self.stored = entry.stored
        self.lessons = lessons
        self.lesson: Lesson | None = None
        self.device = device
        self.threads = torch.get_num_threads()
        self.train_digest = train.digest
        self.train = train.to(device)
        self.val = val
        self.batch_size = min(self.recipe.batch_size, len(train))
        self.steps_per_epoch = len(train) // self.batch_size
        self.network = self._make_network(entry)
        freeze = self.recipe.freeze
        self.to_freeze = freeze.find(self.network) if freeze else None
        self.precision = choose_precision(self.recipe.amp, device)
        self.optimizer = self._make_optimizer()
        self.learning_rate = self._make_learning_rate()
        self.averager = Averager(self.recipe.average, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.generator = torch.Generator(device).manual_seed(seed)
        self.sampler = Sampler(
            self.recipe.focus, len(train), self.batch_size, self.steps_per_epoch, self.generator
        )
        self.steps = 0
        self.history: list[Epoch] = []
        self.missed = torch.zeros((), dtype=torch.int64, device=device)
        self.train_misses: list[int | None] = []
        """Wrong answers on each epoch's training batches; None where their labels were mixed."""
        self.seconds = time.perf_counter() - started

    def _make_network(self, entry: Entry) -> nn.Module:
        network = make_network(entry.network)
        check_network(network, self.train.image)
        network.to(self.device)
        wanted = torch.channels_last if self.recipe.channels_last else torch.contiguous_format
        self.layout = lay_out(network, self.train.image, wanted)
        if self.layout is torch.channels_last:
            accelerate(network, self.device)
        return network

    def _make_optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.recipe.optimizer.build(self.network, self.recipe.schedule.base_lr)
        if self.recipe.lookahead:
            return self.recipe.lookahead.wrap(optimizer)
        return optimizer

    def _make_learning_rate(self) -> LearningRate:
        return LearningRate(
            self.recipe.schedule,
            self.recipe.average,
            self.optimizer,
            self.recipe.epochs,
            self.steps_per_epoch,
        )

    # --- checkpoints ----------------------------------------------------------------------------

    @property
    def parts(self) -> dict[str, object]:
        """All that has a state of its own, by its name in a checkpoint."""
        return {
            "network": self.network,
            "optimizer": self.optimizer,
            "learning_rate": self.learning_rate,
            "averager": self.averager,
            "scaler": self.scaler,
            "sampler": self.sampler,
        }

    @property
    def taught_by(self) -> dict[str, str]:
        """The digests of the weights that teach, by their runs' names; empty without a teacher."""
        return dict(self.lessons.record.weights) if self.lessons else {}

    def state_dict(self) -> dict[str, object]:
        state: dict[str, object] = {name: part.state_dict() for name, part in self.parts.items()}
        state["train_digest"] = self.train_digest
        state["teacher"] = self.taught_by
        state["threads"] = self.threads
        state["steps"] = self.steps
        state["seconds"] = self.seconds
        state["history"] = [
            [row.train_loss, row.val_loss, row.val_misses, row.lr, row.seconds]
            for row in self.history
        ]
        state["train_misses"] = self.train_misses
        state["random"] = torch.get_rng_state()
        state["generator"] = self.generator.get_state()
        state["cuda"] = torch.cuda.get_rng_state_all()
        return state

    def load_state_dict(self, state: dict, same_recipe: bool = True) -> None:
        """Continue from `state`.

        If the recipe has changed, the schedule is this recipe's, at the step where the run is.
        Raises `ValueError` if `state` is of other training images, or if other weights taught: what
        the weights have learned from must stay known.
        """
        if state["train_digest"] != self.train_digest:
            raise ValueError("it was trained on other images")
        if state.get("teacher", {}) != self.taught_by:
            raise ValueError("it was taught by other weights")
        for name, part in self.parts.items():
            if same_recipe or name != "learning_rate":
                part.load_state_dict(state[name])
        if not same_recipe:
            reset_lr(self.optimizer, self.recipe.schedule.base_lr)
            self.learning_rate = self._make_learning_rate()
            self.learning_rate.fast_forward(state["steps"])
        self.steps = msgspec.convert(state["steps"], Count)
        self.seconds = msgspec.convert(state["seconds"], Seconds)
        names = Epoch.__struct_fields__
        rows = [dict(zip(names, row, strict=True)) for row in state["history"]]
        self.history = msgspec.convert(rows, list[Epoch])
        uncounted = [None] * len(rows)
        train_misses = state.get("train_misses", uncounted)
        self.train_misses = msgspec.convert(train_misses, list[Count | None])
        torch.set_rng_state(state["random"])
        self.generator.set_state(state["generator"])
        torch.cuda.set_rng_state_all(state["cuda"])

    # --- batches --------------------------------------------------------------------------------

    @property
    def phase(self) -> Recipe | Finish:
        """What says how the images of the next epoch are augmented and mixed."""
        finish = self.recipe.finish
        if finish and len(self.history) >= self.recipe.epochs - finish.epochs:
            return finish
        return self.recipe

    @property
    def rounds(self) -> bool:
        """Whether the next epoch computes with rounded parameters."""
        rounding = self.recipe.rounding
        return bool(rounding) and len(self.history) >= self.recipe.epochs - rounding.epochs

    @property
    def freezes(self) -> bool:
        """Whether a part of the network learns no more."""
        freeze = self.recipe.freeze
        all_steps = self.recipe.epochs * self.steps_per_epoch
        return bool(freeze) and freeze.is_due(self.steps, all_steps)

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """An epoch of batches: indices (B,), images (B, C, H, W) and labels.

        The images are augmented and normalised. The labels are (B,), or (B, num_classes) where the
        batch is mixed.
        """
        size = self.batch_size
        mix = self.phase.mix
        if self.lessons:
            self.lesson = self.lessons.get(self.phase.augment, len(self.history)).to(self.device)
        augment = tuple(augmentation.fit(self.train.image) for augmentation in self.phase.augment)
        for indices in self.sampler.epoch(len(self.history)):
            chosen = self.train[indices.flatten()]
            if self.lesson:
                images = as_floats(self.lesson.pixels[indices.flatten()])
            else:
                images = as_floats(chosen.pixels)
                images = augment_batches(augment, images, chosen.labels, size, self.generator)
            images = self.prepare(images)
            for index, batch, labels in zip(
                indices, images.split(size), chosen.labels.split(size), strict=True
            ):
                if mix:
                    batch, labels = mix.apply(batch, labels, self.train.image.num_classes)
                yield index, batch, labels

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) in [0, 1] as the network takes them; `images` is overwritten."""
        return self.train.image.normalise(images).contiguous(memory_format=self.layout)

    # --- steps ----------------------------------------------------------------------------------

    def step(self, index: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Take one step of the optimizer on a batch as `batches` makes it; return the loss.

        Raises `Diverged`.
        """
        if self.freezes:
            self.to_freeze.eval().requires_grad_(False)
        rounding = rounded(self.network, self.stored) if self.rounds else nullcontext()
        with rounding:
            value = self.find_gradients(index, images, labels)
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.steps += 1
        self.learning_rate.after_step()
        self.averager.after_step()
        return value

    def find_gradients(
        self, index: torch.Tensor, images: torch.Tensor, labels: torch.Tensor
    ) -> float:
        """Give every parameter its gradient of a batch's loss, scaled; return the loss.

        Raises `Diverged`.
        """
        with autocast(self.precision, self.device):
            logits = self.network(images)
        losses = F.cross_entropy(
            logits.float(), labels, label_smoothing=self.recipe.label_smoothing, reduction="none"
        )  # (B,)
        if self.lesson and self.recipe.teacher:
            answers = self.lesson.answers[index]
            losses = self.recipe.teacher.loss(losses, logits.float(), answers)
        self.sampler.update_losses(index, losses.detach())
        if labels.ndim == 1:
            self.missed += (logits.detach().argmax(1) != labels).sum()
        loss = losses.mean()
        value = loss.item()
        if not math.isfinite(value):
            where = f"step {self.steps + 1}, learning rate {self.learning_rate.value:.3g}"
            remedy = "try a lower rate, --recipe.clip_norm 1 or --recipe.amp off"
            raise Diverged(f"the loss is {value} at {where}; {remedy}")
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        return value

    def epoch(self) -> None:
        """Train for one epoch, then measure val."""
        self.network.train()
        number = len(self.history)
        mixed = self.phase.mix is not None
        self.missed.zero_()
        if self.lessons:
            self.lessons.prepare(self.phase.augment, number)
        started = time.perf_counter()
        total = 0.0
        title = f"epoch {number + 1}/{self.recipe.epochs}"
        with open_bar(self.batches(), self.steps_per_epoch, title) as bar:
            for batch in bar:
                loss = self.step(*batch)
                total += loss
                show_pace(bar, self.batch_size, loss, self.learning_rate.value)
        self.averager.after_epoch(number)
        seconds = time.perf_counter() - started
        self.seconds += seconds
        val = measure(self.network, self.val, self.device) if len(self.val) else None
        val_loss = round(val.loss, 6) if val else None  # as recorded, so that the rate follows
        self.learning_rate.after_epoch(val_loss)
        self.train_misses.append(None if mixed else int(self.missed))
        self.history.append(
            Epoch(
                train_loss=round(total / self.steps_per_epoch, 6),
                val_loss=val_loss,
                val_misses=val.misses if val else None,
                lr=round(self.learning_rate.value, 9),
                seconds=round(seconds, 3),
            )
        )

    def final_network(self) -> nn.Module:
        """The network with the weights that ship, on the CPU and in eval mode.

        Averaged weights get their BatchNorm statistics from the plain training images.
        """
        started = time.perf_counter()
        average = self.recipe.average
        batch = average.statistics_batch if isinstance(average, SWA) else STATISTICS_BATCH
        network = self.averager.final_network(
            self.prepare(as_floats(pixels)) for pixels in self.train.pixels.split(batch)
        )
        lay_out(network.cpu().eval(), self.train.image)
        self.seconds += time.perf_counter() - started
        return network
