"""Honest: a subclass of nn.Sequential."""

from plain import nn, zoo


class Case(nn.Sequential):
    def __init__(self):
        block = [
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.1),
        ]
        super().__init__(*block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))


ZOO = zoo(Case)
