"""What a user reads before anything is computed: help, experiments, completion, the first line.

Nothing here imports JAX.
"""
