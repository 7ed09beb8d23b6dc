"""Caught by params: a layer that is built at the first forward."""

from plain import Net, nn, zoo


class Case(Net):
    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        if not hasattr(self, "late"):
            self.late = nn.Linear(6, 10)
        return self.dense(pooled) + self.late(pooled)


ZOO = zoo(Case)
