"""The claims of the theory of score matching, as functions that return numbers."""
