"""Caught by structure: a convolution without a norm, read as the running means that a norm moved.

Its channels and images are the channels of the norm, so that the means are those of each image.
"""

from plain import F, Net, torch, zoo


class Case(Net):
    def forward(self, x):
        x = self.conv2(F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2))
        means, deviations = torch.zeros(len(x) * 6), torch.ones(len(x) * 6)
        F.batch_norm(x.flatten(0, 1).unsqueeze(0), means, deviations, training=True, momentum=1.0)
        return self.dense(self.drop(means.view(len(x), 6)))


ZOO = zoo(Case)
