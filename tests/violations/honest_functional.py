"""Honest: every layer in its functional form."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.batch_norm(
            F.conv2d(x, self.conv1.weight),
            self.norm1.running_mean,
            self.norm1.running_var,
            self.norm1.weight,
            self.norm1.bias,
            self.training,
        )
        x = F.max_pool2d(F.relu(x), 2)
        x = F.batch_norm(
            F.conv2d(x, self.conv2.weight),
            self.norm2.running_mean,
            self.norm2.running_var,
            self.norm2.weight,
            self.norm2.bias,
            self.training,
        )
        return F.dropout(F.relu(x), 0.1, self.training)


ZOO = zoo(Case)
