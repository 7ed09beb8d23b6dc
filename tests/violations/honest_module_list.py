"""Honest: layers in a ModuleList."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            [nn.Sequential(self.conv1, self.norm1), nn.Sequential(self.conv2, self.norm2)]
        )

    def features(self, x):
        for block in self.blocks:
            x = F.relu(block(x))
        return self.drop(x)


ZOO = zoo(Case)
