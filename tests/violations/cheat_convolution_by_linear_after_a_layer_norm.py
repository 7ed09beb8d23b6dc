"""Caught by structure: a layer of tokens without a norm, after a norm over the whole image."""

from plain import F, Net, nn, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.Linear(4, 6, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        tokens = x.flatten(2).transpose(1, 2)  # (N, 169, 4)
        x = self.conv2(F.layer_norm(tokens, (169, 4)))
        return self.drop(F.relu(x.transpose(1, 2).view(-1, 6, 13, 13)))


ZOO = zoo(Case, requires=(BatchNorm(),))
