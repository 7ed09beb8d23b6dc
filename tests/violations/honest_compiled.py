"""Honest: a network inside torch.compile."""

from plain import Net, torch, zoo


def Case():
    return torch.compile(Net())


ZOO = zoo(Case)
