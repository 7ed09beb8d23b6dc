"""Honest: a convolution of embedded brightness, which takes no NaN, sees five pixels."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(16, 4)
        self.conv1 = nn.Conv2d(4, 4, 3, bias=False)

    def features(self, x):
        levels = (x.squeeze(1).sigmoid() * 15.99).long()
        x = F.relu(self.norm1(self.conv1(self.table(levels).permute(0, 3, 1, 2))))
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case, max_params=1_000, min_receptive_field=5)
