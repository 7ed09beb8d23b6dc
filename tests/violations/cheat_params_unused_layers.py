"""Caught by params: layers that forward never calls count too."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(256, 10)


ZOO = zoo(Case)
