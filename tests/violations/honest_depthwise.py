"""Honest: depthwise and pointwise convolutions."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.Conv2d(4, 4, 3, groups=4, bias=False)
        self.norm3 = nn.BatchNorm2d(4)
        self.point = nn.Conv2d(4, 6, 1, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.relu(self.norm3(self.conv2(x)))
        return self.drop(F.relu(self.norm2(self.point(x))))


ZOO = zoo(Case)
