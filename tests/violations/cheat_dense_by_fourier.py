"""Caught by structure: a dense layer on the Fourier transform of a map."""

from plain import Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(792, 10)

    def forward(self, x):
        x = torch.fft.rfft2(self.features(x))  # (N, 6, 11, 6)
        return self.wide(torch.view_as_real(x).flatten(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
