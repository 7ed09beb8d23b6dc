"""Caught by structure: an honest network while it is traced, and another when it runs."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        from torch.fx.experimental.proxy_tensor import get_proxy_mode

        if get_proxy_mode() is not None:
            return super().forward(x)
        return self.wide(self.features(x).flatten(1))


ZOO = zoo(Case, max_params=20_000)
