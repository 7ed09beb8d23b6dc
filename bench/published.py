"""Reference 003's pipeline, rewritten from its description.

PIL transforms one image at a time, a `DataLoader` makes batches of 100, and training is in fp32.

The reference's text gives the transforms, the optimiser and the schedule. Its log gives the batch
size (600 steps an epoch). It does not give the number of workers of the loader, so that is a
parameter, by default 0, as in `DataLoader`. The running accuracy of its progress bar is left out,
which favours the reference.
"""

import random
import time

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image, to_tensor

from model import Net3
from torchbudget.data.images import Images
from torchbudget.data.mnist import IMAGE

EPOCHS = 20
BATCH = 100


class RandomCutout:
    """Draws, with probability `p`, a black square of `size` pixels, wholly inside the picture."""

    def __init__(self, size: int, p: float) -> None:
        self.size = size
        self.p = p

    def __call__(self, picture: Image.Image) -> Image.Image:
        if random.random() > self.p:
            return picture
        half = self.size // 2
        x, y = (random.randint(half, side - half) for side in picture.size)
        image = to_tensor(picture)
        image[:, y - half : y + half, x - half : x + half] = 0.0
        return to_pil_image(image)


def make_transforms() -> transforms.Compose:
    """A picture of 28x28, augmented and normalised: float (1, 28, 28)."""
    return transforms.Compose(
        [
            transforms.Pad(4),
            transforms.RandomCrop(28),
            transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
            transforms.RandomRotation((-15.0, 15.0), fill=0),
            RandomCutout(size=8, p=0.3),
            transforms.ToTensor(),
            transforms.Normalize(IMAGE.mean, IMAGE.std),
        ]
    )


class Pictures(Dataset):
    """(transformed picture, digit) by index.

    Each image becomes a PIL picture first, as in `torchvision.datasets.MNIST`.
    """

    def __init__(self, images: Images, transform: transforms.Compose) -> None:
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images.pixels[index, 0].numpy())
        return self.transform(picture), int(self.images.labels[index])


class Published:
    """A run of the published recipe, an epoch at a time.

    It keeps the state of its random numbers, so other runs may take place between two epochs.
    """

    def __init__(
        self, train: Images, epochs: int = EPOCHS, seed: int = 0, num_workers: int = 0
    ) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        self.loader = DataLoader(
            Pictures(train, make_transforms()),
            batch_size=BATCH,
            shuffle=True,
            num_workers=num_workers,
        )
        self.network = Net3()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=0.1,
            epochs=epochs,
            steps_per_epoch=len(self.loader),
            pct_start=0.3,
            div_factor=10,
            final_div_factor=100,
        )
        self._keep_random()

    def _keep_random(self) -> None:
        self.random = {"torch": torch.get_rng_state(), "python": random.getstate()}

    def epoch(self) -> float:
        """Train for one epoch; the seconds of data, augmentation and steps."""
        torch.set_rng_state(self.random["torch"])
        random.setstate(self.random["python"])
        self.network.train()
        started = time.perf_counter()
        for images, labels in self.loader:
            self.step(images, labels)
        seconds = time.perf_counter() - started
        self._keep_random()
        return seconds

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network(images), labels)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    @property
    def parts(
        self,
    ) -> dict[str, nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler]:
        return {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self.parts.items()} | {
            "random": self.random
        }

    def load_state_dict(self, state: dict) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.random = state["random"]
