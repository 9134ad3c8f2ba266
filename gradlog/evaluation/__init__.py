"""Tasks with a model on a whole data set: one file a task, from its driver to its files."""
