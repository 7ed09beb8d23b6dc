"""Honest: the average and the largest pixel of each channel are classified together."""

from plain import Net, nn, torch, zoo

from torchbudget.declare.budget import BatchNorm, NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(12, 10)

    def forward(self, x):
        x = self.features(x)
        return self.dense(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


ZOO = zoo(Case, requires=(BatchNorm(), NoDenseOnMap()), max_params=20_000)
