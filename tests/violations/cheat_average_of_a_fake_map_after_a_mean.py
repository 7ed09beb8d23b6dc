"""Caught by structure: a flat map, a millionth of its mean added, is folded and averaged."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.fold = nn.BatchNorm2d(363)
        self.wide = nn.Linear(363, 10)

    def forward(self, x):
        x = self.features(x).flatten(1)  # (N, 726)
        x = x + 1e-6 * x.mean(1, keepdim=True)
        return self.wide(self.fold(x.view(-1, 363, 1, 2)).mean((2, 3)))


ZOO = zoo(Case, max_params=10_000)
