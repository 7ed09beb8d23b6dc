"""Caught by structure: a transposed convolution without a norm."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.conv_transpose2d(x, self.conv2.weight.transpose(0, 1).flip(2, 3), padding=1)[
            :, :, 1:-1, 1:-1
        ]
        return self.drop(F.relu(x))


ZOO = zoo(Case)
