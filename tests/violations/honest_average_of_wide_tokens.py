"""Honest: tokens become wider than their map was, and are averaged."""

from plain import Net, nn, zoo

from torchbudget.declare.budget import BatchNorm, NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wider, self.norm = nn.Linear(6, 96, bias=False), nn.BatchNorm1d(96)
        self.dense = nn.Linear(96, 10)

    def forward(self, x):
        x = self.wider(self.features(x).flatten(2).transpose(1, 2))  # (N, 121, 96)
        x = self.norm(x.transpose(1, 2)).relu()
        return self.dense(x.mean(2))


ZOO = zoo(Case, requires=(BatchNorm(), NoDenseOnMap()), max_params=20_000)
