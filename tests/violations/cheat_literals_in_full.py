"""Caught by params: tensors filled with numbers of the code."""

from plain import Net, torch, zoo

NUMBERS = torch.rand(60, generator=torch.Generator().manual_seed(0)).tolist()


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + torch.cat(
            [torch.full((1, 1), number) for number in NUMBERS], 1
        ).view(6, 10).sum(0)


ZOO = zoo(Case, max_params=350)
