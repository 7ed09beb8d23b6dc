"""The training loop: one network, one recipe, one seed."""

import math
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from torchbudget.data.images import Images, as_floats
from torchbudget.declare.entry import Entry
from torchbudget.errors import EXIT_FAIL, TorchBudgetError
from torchbudget.evidence.measure import measure
from torchbudget.evidence.results import Epoch
from utils import optim
from utils.augment import augment_batches
from utils.focus import Sampler
from utils.kernels import accelerate
from utils.memory import keep_freed_memory
from utils.mixing import mix_batch
from utils.recipe import Finish, Recipe

STATISTICS_BATCH = 1_000


class Diverged(TorchBudgetError):
    """The loss was not finite; the message says where and what to try."""

    exit_code = EXIT_FAIL


class Training:
    """The state of a run between two epochs: all that a checkpoint holds."""

    def __init__(
        self, entry: Entry, seed: int, train: Images, val: Images, device: torch.device
    ) -> None:
        keep_freed_memory()
        torch.manual_seed(seed)
        self.recipe, self.device = entry.recipe, device
        self.images = train.digest
        self.train, self.val = train.to(device), val
        self.batch_size = min(self.recipe.batch_size, len(train))
        self.steps_per_epoch = len(train) // self.batch_size
        self.network = entry.network().to(device)
        if self.recipe.channels_last:
            accelerate(self.network.to(memory_format=torch.channels_last), device)
        self.precision = optim.choose_precision(self.recipe.amp, device)
        self.optimizer = optim.make_optimizer(self.recipe, self.network)
        self.schedule = optim.Schedule(self.recipe, self.optimizer, self.steps_per_epoch)
        self.averager = optim.Averager(self.recipe, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.generator = torch.Generator(device).manual_seed(seed)
        self.order = Sampler(
            self.recipe.focus, len(train), self.batch_size, self.steps_per_epoch, self.generator
        )
        self.steps = 0
        self.seconds = 0.0
        self.history: list[Epoch] = []

    @property
    def parts(self) -> dict[str, object]:
        return {
            name: getattr(self, name)
            for name in ("network", "optimizer", "schedule", "averager", "scaler", "order")
        }

    def state_dict(self) -> dict:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {
            "images": self.images,
            "steps": self.steps,
            "seconds": self.seconds,
            "history": [
                [row.train_loss, row.val_loss, row.val_misses, row.lr, row.seconds]
                for row in self.history
            ],
        }
        return state | {
            "random": torch.get_rng_state(),
            "generator": self.generator.get_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }

    def load_state_dict(self, state: dict, as_before: bool = True) -> None:
        """Go on from `state`; where the recipe is not as before, the schedule starts from this recipe, at the step where the run is.

        Raises ValueError where other images were trained on: what the weights have seen must stay known.
        """
        if state.get("images", self.images) != self.images:
            raise ValueError("it was trained on other images")
        for name, part in self.parts.items():
            if as_before or name != "schedule":
                part.load_state_dict(state[name])
        if not as_before:
            self.schedule = optim.restart_schedule(
                self.recipe, self.optimizer, self.steps_per_epoch, state["steps"]
            )
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.history = [
            Epoch(train_loss=row[0], val_loss=row[1], val_misses=row[2], lr=row[3], seconds=row[4])
            for row in state["history"]
        ]
        torch.set_rng_state(state["random"])
        self.generator.set_state(state["generator"])
        torch.cuda.set_rng_state_all(state["cuda"])

    @property
    def phase(self) -> Recipe | Finish:
        """What says how the next epoch's images are changed."""
        finish = self.recipe.finish
        return (
            finish
            if finish and len(self.history) >= self.recipe.epochs - finish.epochs
            else self.recipe
        )

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """An epoch of batches: indices (B,), augmented and normalised images (B, 1, 28, 28), and labels (B,) or, mixed, (B, 10)."""
        size = self.batch_size
        for indices in self.order.epoch(len(self.history)):
            some = self.train[indices.flatten()]
            images = self.prepare(
                augment_batches(
                    self.phase.augment, as_floats(some.pixels), some.labels, size, self.generator
                )
            )
            for index, *batch in zip(
                indices, images.split(size), some.labels.split(size), strict=True
            ):
                yield index, *mix_batch(self.phase.mix, *batch)

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        layout = torch.channels_last if self.recipe.channels_last else torch.contiguous_format
        return self.train.image.normalise(images).contiguous(memory_format=layout)

    def step(self, index: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One step of the optimiser on a batch as `batches` makes it; returns the loss. Raises `Diverged`."""
        with optim.autocast(self.precision, self.device):
            logits = self.network(images)
        losses = F.cross_entropy(
            logits.float(), labels, label_smoothing=self.recipe.label_smoothing, reduction="none"
        )  # (B,)
        self.order.note(index, losses.detach())
        loss = losses.mean()
        value = loss.item()
        if not math.isfinite(value):
            where = f"step {self.steps + 1}, learning rate {self.schedule.lr:.3g}"
            raise Diverged(
                f"the loss is {value} at {where}; try a lower rate, --recipe.clip_norm 1 or --recipe.amp off"
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.steps += 1
        self.schedule.after_step()
        self.averager.after_step()
        return value

    def epoch(self) -> None:
        """Train for one epoch, then measure val."""
        self.network.train()
        started, total = time.perf_counter(), 0.0
        with tqdm(
            self.batches(),
            total=self.steps_per_epoch,
            desc=f"epoch {len(self.history) + 1}/{self.recipe.epochs}",
            leave=False,
            disable=None,
        ) as bar:
            for batch in bar:
                total += (loss := self.step(*batch))
                if not bar.disable:
                    self.show_pace(bar, loss)
        self.averager.after_epoch(len(self.history))
        seconds = time.perf_counter() - started
        self.seconds += seconds
        found = measure(self.network, self.val, self.device) if len(self.val) else None
        self.schedule.after_epoch(found and found.loss)
        self.history.append(
            Epoch(
                train_loss=round(total / self.steps_per_epoch, 6),
                val_loss=found and round(found.loss, 6),
                val_misses=found and found.misses,
                lr=round(self.schedule.lr, 9),
                seconds=round(seconds, 3),
            )
        )

    def show_pace(self, bar: tqdm, loss: float) -> None:
        pace = bar.format_dict["rate"] or 0.0
        bar.set_postfix_str(
            f"loss {loss:.4f}, lr {self.schedule.lr:.4f}, {pace * self.batch_size:,.0f} images/s, {1000 / pace if pace else 0:.0f} ms/batch",
            refresh=False,
        )

    def final_network(self) -> nn.Module:
        """The weights that ship, on the CPU: averaged ones get BatchNorm statistics from the plain training images."""
        started = time.perf_counter()
        batch = getattr(self.recipe.average, "statistics_batch", STATISTICS_BATCH)
        network = self.averager.final_network(
            self.prepare(as_floats(pixels)) for pixels in self.train.pixels.split(batch)
        )
        self.seconds += time.perf_counter() - started
        return network.cpu().to(memory_format=torch.channels_last).eval()
