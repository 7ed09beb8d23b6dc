"""Caught by structure: a batch norm that uses the batch's statistics at test time."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.norm2 = nn.BatchNorm2d(6, track_running_stats=False)


ZOO = zoo(Case)
