"""Caught by structure: a layer of the Fourier transform of tokens, without a norm."""

from plain import Tokens, torch, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Tokens):
    def weigh(self, tokens):
        x = torch.fft.fft(tokens, dim=1) @ self.conv2.weight.T.to(torch.complex64)
        return torch.fft.ifft(x, dim=1).real


ZOO = zoo(Case, requires=(BatchNorm(),))
