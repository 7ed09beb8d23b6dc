"""Caught by structure: a convolution as products that are summed, without a norm."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        windows = x.unfold(2, 3, 1).unfold(3, 3, 1).unsqueeze(1)
        weight = self.conv2.weight[:, :, None, None]
        x = (windows * weight).sum((2, 5, 6))
        return self.drop(F.relu(x))


ZOO = zoo(Case)
