"""Honest: each row of a map is weighted by a softmax over the rows."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.relu(self.norm2(self.conv2(x)))
        gate = x.mean(3, keepdim=True).softmax(2)  # (N, 6, 11, 1)
        return self.drop(x * gate)


ZOO = zoo(Case)
