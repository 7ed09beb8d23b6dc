"""Caught by structure: a layer of tokens without a norm, a millionth of their mean added."""

from plain import Tokens, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Tokens):
    def weigh(self, tokens):
        return self.conv2(tokens + 1e-6 * tokens.mean(1, keepdim=True))


ZOO = zoo(Case, requires=(BatchNorm(),))
