"""`python -m translate.training.heads DATA weights/heads`."""

from __future__ import annotations

import sys
from pathlib import Path

from translate.errors import TranslateError
from translate.training.heads.train import GROUNDS, SOURCES, train_twice

if __name__ == "__main__":
    if len(sys.argv) != 3:
        *files, last = [file for file, _ in (*SOURCES, *GROUNDS)]
        held = f"{', '.join(files)} and {last}"
        sys.exit(f"usage: python -m translate.training.heads DATA OUT; DATA holds {held}")
    try:
        train_twice(*map(Path, sys.argv[1:]))
    except TranslateError as error:
        sys.exit(str(error))
