"""Honest: a 1x1 convolution to the logits, then the average."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense, self.norm3 = nn.Conv2d(6, 10, 1, bias=False), nn.BatchNorm2d(10)

    def forward(self, x):
        return self.norm3(self.dense(self.features(x))).mean((2, 3))


ZOO = zoo(Case)
