"""Caught by structure: a layer of the Fourier transform of tokens, without a norm."""

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.Linear(4, 6, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        tokens = x.flatten(2).transpose(1, 2)  # (N, 169, 4)
        x = torch.fft.fft(tokens, dim=1) @ self.conv2.weight.T.to(torch.complex64)
        x = torch.fft.ifft(x, dim=1).real
        return self.drop(F.relu(x.transpose(1, 2).view(-1, 6, 13, 13)))


ZOO = zoo(Case, requires=(BatchNorm(),))
