"""Caught by structure: averages of a map times what is left of its place when it is sorted."""

from plain import Waves, torch, zoo


class Case(Waves):
    def place(self, x):
        flat = x.mean(1, True).flatten(2)
        order = flat.argsort(2)
        return torch.zeros_like(flat).scatter(2, order, order.float()).view(-1, 1, 11, 11) / 121


ZOO = zoo(Case, max_params=3_000)
