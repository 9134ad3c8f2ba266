"""Inception-v3 with the weights of a file: the features of FID."""

from evaluation.features.inception.convention import CONVENTIONS
from evaluation.features.inception.features import InceptionFeatures
from evaluation.features.inception.network import Inception
from evaluation.features.inception.weights import read_weights

__all__ = ["CONVENTIONS", "Inception", "InceptionFeatures", "read_weights"]
