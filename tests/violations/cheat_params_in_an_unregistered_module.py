"""Caught by params: a layer kept in a tuple, where nn.Module does not look."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.hidden = (nn.Linear(6, 10),)

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + self.hidden[0](pooled)


ZOO = zoo(Case)
