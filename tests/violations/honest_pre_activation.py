"""Honest: norm and ReLU come before each convolution of a residual block."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.before = nn.BatchNorm2d(4)
        self.inner = nn.Conv2d(4, 4, 1)
        self.last = nn.BatchNorm2d(4)

    def features(self, x):
        x = F.max_pool2d(self.norm1(self.conv1(x)), 2)
        x = x + self.inner(F.relu(self.before(x)))
        return self.drop(F.relu(self.norm2(self.conv2(self.last(x)))))


ZOO = zoo(Case)
