"""Gradlog: score-based generative models whose likelihoods can be trusted."""
