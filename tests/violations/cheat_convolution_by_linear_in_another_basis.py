"""Caught by structure: a layer of tokens, written as sums of cosines, without a norm."""

import math

from plain import Tokens, torch, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Tokens):
    def weigh(self, tokens):
        place = torch.arange(169.0)
        basis = torch.cos(math.pi / 169 * (place + 0.5) * place[:, None]) / 13  # (169, 169)
        return basis.T @ self.conv2(basis @ tokens)


ZOO = zoo(Case, requires=(BatchNorm(),))
