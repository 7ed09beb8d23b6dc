"""Honest: each 2x2 of pixels becomes channels."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, bias=False)

    def features(self, x):
        x = F.pixel_unshuffle(x, 2)
        x = F.relu(self.norm1(self.first(x)))
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case, max_params=1000)
