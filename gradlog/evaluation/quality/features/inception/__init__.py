"""Inception-v3 with the weights of a file: the features of FID."""

from gradlog.evaluation.quality.features.inception.features import CONVENTIONS, InceptionFeatures
from gradlog.evaluation.quality.features.inception.network import Inception
from gradlog.evaluation.quality.features.inception.weights import read_weights
