"""Honest: the response norm over channels that Caffe had, which writes into tensors of its own."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.response = nn.CrossMapLRN2d(2)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.drop(F.relu(self.norm2(self.conv2(self.response(x)))))


ZOO = zoo(Case)
