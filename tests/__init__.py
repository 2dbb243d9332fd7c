"""Tests; a package, so that no other installed `tests` is taken for it."""
