"""Honest: a network without any bias."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(6, 10, bias=False)


ZOO = zoo(Case)
