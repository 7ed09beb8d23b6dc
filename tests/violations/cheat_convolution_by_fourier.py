"""Caught by structure: a convolution as a product of Fourier transforms, without a norm."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        spectrum = torch.fft.rfft2(x).unsqueeze(1)
        kernel = torch.fft.rfft2(self.conv2.weight, s=(13, 13))
        x = torch.fft.irfft2(spectrum * kernel, s=(13, 13)).sum(2)[:, :, 2:, 2:]
        return self.drop(F.relu(x))


ZOO = zoo(Case)
