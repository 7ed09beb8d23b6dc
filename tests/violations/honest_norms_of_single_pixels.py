"""Honest: strides down to maps of a pixel, whose norms see one value of each image."""

from plain import F, Net, nn, zoo

from torchbudget.declare.budget import BatchNorm, Dropout


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv3 = nn.Conv2d(6, 6, 3, stride=8, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(6)
        self.conv4 = nn.Conv2d(6, 6, 3, stride=8, padding=1, bias=False)
        self.norm4 = nn.BatchNorm2d(6)

    def features(self, x):
        x = super().features(x)
        x = F.relu(self.norm3(self.conv3(x)))
        return F.relu(self.norm4(self.conv4(x)))


ZOO = zoo(Case, max_params=2_000, requires=(BatchNorm(), Dropout()))
