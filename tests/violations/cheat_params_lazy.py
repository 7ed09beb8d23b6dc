"""Caught by params: a lazy layer, whose size is unknown until it runs."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Sequential(nn.LazyLinear(30), nn.Linear(30, 10))


ZOO = zoo(Case)
