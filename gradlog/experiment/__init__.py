"""What ``build`` is made of: reading a configuration, and the parts of an experiment."""
