"""Caught by cost: a Fourier transform of each map."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        spectrum = torch.fft.fft2(x.repeat(1, 16, 1, 1)).abs()
        return super().forward(x) + spectrum.mean((1, 2, 3)).unsqueeze(1)


ZOO = zoo(Case, requires=(), max_params=100_000, max_multiply_adds=60532)
