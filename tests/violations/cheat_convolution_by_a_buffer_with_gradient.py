"""Caught by structure: a kernel that is learned, kept as a buffer, without a norm."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        kernel = nn.init.kaiming_normal_(self.conv2.weight.detach().clone())
        del self.conv2
        self.register_buffer("kernel", kernel.requires_grad_())

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.drop(F.relu(F.conv2d(x, self.kernel)))


ZOO = zoo(Case)
