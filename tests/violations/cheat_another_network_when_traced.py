"""Caught by structure: an honest network while it is traced, and another when it runs."""

from plain import Net, nn, zoo
from torch.utils._python_dispatch import is_in_torch_dispatch_mode


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        if is_in_torch_dispatch_mode():
            return super().forward(x)
        return self.wide(self.features(x).flatten(1))


ZOO = zoo(Case, max_params=20_000)
