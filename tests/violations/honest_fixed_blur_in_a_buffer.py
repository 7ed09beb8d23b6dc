"""Honest: a fixed blur whose kernel is a buffer."""

from plain import F, Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("blur", torch.ones(1, 1, 3, 3) / 9)

    def features(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.conv2d(x, self.blur.expand(4, 1, 3, 3), stride=2, padding=1, groups=4)
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case)
