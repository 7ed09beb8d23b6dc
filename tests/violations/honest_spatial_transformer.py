"""Honest: an affine transform that the image calls for."""

from plain import F, nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.angles = nn.Linear(784, 6)
        self.out = nn.Linear(784, 10)

    def forward(self, x):
        grid = F.affine_grid(
            self.angles(x.flatten(1)).view(-1, 2, 3), list(x.shape), align_corners=False
        )
        return self.out(F.grid_sample(x, grid, align_corners=False).flatten(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
