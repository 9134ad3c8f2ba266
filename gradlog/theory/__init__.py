"""What the theory of score matching claims, as numbers."""
