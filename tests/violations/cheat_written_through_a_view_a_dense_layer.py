"""Caught by structure: a dense layer on a map, written row by row through views."""

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(144, 10)

    def forward(self, x):
        maps = F.avg_pool2d(self.features(x), 2)  # (N, 6, 5, 5)
        flat = torch.zeros(len(x), 6, 24)
        for row in range(4):
            flat[:, :, 6 * row : 6 * row + 5] = maps[:, :, row]
        return self.wide(flat.flatten(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=2_000)
