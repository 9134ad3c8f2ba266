"""Inception-v3 with the weights of a file: the features of FID."""

from gradlog.evaluation.features.inception.convention import CONVENTIONS
from gradlog.evaluation.features.inception.features import InceptionFeatures
from gradlog.evaluation.features.inception.network import Inception
from gradlog.evaluation.features.inception.weights import read_weights

__all__ = ["CONVENTIONS", "Inception", "InceptionFeatures", "read_weights"]
