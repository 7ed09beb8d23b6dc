"""Honest: Dropout2d."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout2d(0.2)


ZOO = zoo(Case)
