"""Honest: two branches write their halves of the channels of one map."""

from plain import F, Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.ModuleList(nn.Conv2d(4, 3, 3, bias=False) for _ in range(2))
        self.norm2 = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        maps = torch.empty(len(x), 6, 11, 11)
        for half, (conv, norm) in enumerate(zip(self.conv2, self.norm2, strict=True)):
            maps[:, 3 * half : 3 * half + 3] = norm(conv(x))
        return self.drop(F.relu(maps))


ZOO = zoo(Case)
