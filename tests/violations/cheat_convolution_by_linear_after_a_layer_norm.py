"""Caught by structure: a layer of tokens without a norm, after a norm over the whole image."""

from plain import F, Tokens, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Tokens):
    def weigh(self, tokens):
        return self.conv2(F.layer_norm(tokens, (169, 4)))


ZOO = zoo(Case, requires=(BatchNorm(),))
