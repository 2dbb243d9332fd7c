"""`python -m translate.training.glasses DATA weights/glasses`."""

from __future__ import annotations

import sys
from pathlib import Path

from translate.errors import TranslateError
from translate.training.glasses.train import SOURCES, train_twice

if __name__ == "__main__":
    if len(sys.argv) != 3:
        files = " and ".join(file for file, _ in SOURCES)
        sys.exit(f"usage: python -m translate.training.glasses DATA OUT; DATA holds {files}")
    try:
        train_twice(*map(Path, sys.argv[1:]))
    except TranslateError as error:
        sys.exit(str(error))
