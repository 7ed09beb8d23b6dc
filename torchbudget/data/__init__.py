"""Data sets: by name, from files, or from a function of one's own."""

from torchbudget.data.from_files import csv, custom, image_folder, npz
from torchbudget.data.from_torchvision import torchvision
from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.loading import load_dataset, named
from torchbudget.data.mnist import DIGITS, FASHION_MNIST, KAGGLE_DEAL, MNIST, MNIST_SAMPLE
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import split_train_val

__all__ = [
    "DIGITS",
    "FASHION_MNIST",
    "KAGGLE_DEAL",
    "MNIST",
    "MNIST_SAMPLE",
    "DataSpec",
    "Dataset",
    "ImageSpec",
    "Images",
    "csv",
    "custom",
    "image_folder",
    "load_dataset",
    "named",
    "npz",
    "split_train_val",
    "torchvision",
]
