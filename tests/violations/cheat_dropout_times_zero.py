"""Caught by structure: a dropout on a branch that is multiplied by zero."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.keep, self.drop = nn.Dropout(0.2), nn.Identity()

    def forward(self, x):
        x = self.features(x)
        return self.dense((x + 0 * self.keep(x)).mean((2, 3)))


ZOO = zoo(Case)
