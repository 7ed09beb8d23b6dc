"""Honest: the size of the image's spectrum is read."""

from plain import nn, torch, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(28 * 15, 10)

    def forward(self, x):
        return self.out(torch.fft.rfft2(x).abs().flatten(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
