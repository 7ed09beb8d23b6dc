"""Honest: a convolution under a spectral norm."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.utils.parametrizations.spectral_norm(self.conv2)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case, max_params=800)
