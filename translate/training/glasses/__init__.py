"""The finder of glasses: what it learns from and how. `python -m translate.training.glasses`."""
