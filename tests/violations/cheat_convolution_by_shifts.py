"""Caught by structure: a convolution as a sum of shifted 1x1 products, without a norm."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        terms = [
            torch.einsum(
                "nchw,oc->nohw", x[:, :, i : i + 11, j : j + 11], self.conv2.weight[:, :, i, j]
            )
            for i in range(3)
            for j in range(3)
        ]
        x = sum(terms)
        return self.drop(F.relu(x))


ZOO = zoo(Case)
