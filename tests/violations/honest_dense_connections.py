"""Honest: each layer reads all earlier maps."""

from plain import F, Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv3 = nn.Conv2d(4, 2, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(2)

    def features(self, x):
        first = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        more = F.relu(self.norm3(self.conv3(first)))
        return self.drop(F.relu(self.norm2(self.conv2(torch.cat([first[:, :2], more], 1)))))


ZOO = zoo(Case, max_params=500)
