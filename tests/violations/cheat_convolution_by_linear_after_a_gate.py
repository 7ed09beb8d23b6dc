"""Caught by structure: a layer of tokens without a norm, each a millionth off by their mean."""

from plain import Tokens, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Tokens):
    def weigh(self, tokens):
        return self.conv2(tokens * (1 + 1e-6 * tokens.mean(1, keepdim=True)))


ZOO = zoo(Case, requires=(BatchNorm(),))
