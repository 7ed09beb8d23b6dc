"""Honest: a depthwise kernel as torchvision draws it, so small that its norm's epsilon shows."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv3 = nn.Conv2d(6, 6, 3, groups=6, bias=False)
        nn.init.normal_(self.conv3.weight, std=3e-3)
        self.norm3 = nn.BatchNorm2d(6)

    def features(self, x):
        return F.relu(self.norm3(self.conv3(super().features(x))))


ZOO = zoo(Case, max_params=500)
