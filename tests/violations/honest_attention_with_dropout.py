"""Honest: attention that drops weights in training, its heads put side by side again."""

from plain import F, Net, nn, zoo

from torchbudget.declare.budget import Dropout, GlobalAveragePooling


class Case(Net):
    def __init__(self):
        super().__init__()
        self.queries = nn.Linear(4, 12, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 4)  # (N, 4, 6, 6)
        heads = self.queries(x.flatten(2).mT).unflatten(2, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        chance = 0.1 if self.training else 0.0
        mixed = F.scaled_dot_product_attention(*heads, dropout_p=chance).transpose(1, 2)
        x = x + mixed.flatten(2).mT.unflatten(2, (6, 6))
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case, requires=(Dropout(), GlobalAveragePooling()))
