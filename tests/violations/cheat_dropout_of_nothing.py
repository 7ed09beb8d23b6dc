"""Caught by structure: Dropout(p=0)."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.0)


ZOO = zoo(Case)
