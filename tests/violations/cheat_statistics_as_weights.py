"""Caught by params: running variances are read as the scale of another norm."""

from plain import F, Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.BatchNorm1d(60, affine=False)

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return (
            self.dense(pooled)
            + F.batch_norm(
                self.wide(pooled.repeat(1, 10)), None, None, self.wide.running_var, None, True
            )
            .view(-1, 6, 10)
            .sum(1)
            if self.training
            else F.batch_norm(
                pooled.repeat(1, 10),
                self.wide.running_mean,
                self.wide.running_var,
                self.wide.running_var,
            )
            .view(-1, 6, 10)
            .sum(1)
        )


ZOO = zoo(Case)
