"""The finder of heads: what it learns from and how. `python -m translate.training.heads`."""
