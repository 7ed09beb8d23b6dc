"""Caught by structure: a layer that is built at the first forward, outside the modules."""

from plain import Net, nn, zoo


class Case(Net):
    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        self.__dict__.setdefault("late", nn.Linear(6, 10))
        return self.dense(pooled) + self.late(pooled)


ZOO = zoo(Case)
