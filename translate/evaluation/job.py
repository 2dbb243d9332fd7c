"""A measurement in a folder: finished parts survive a kill, results are whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from translate.errors import InputError, SettingsError
from translate.files import atomic_path
from translate.image_io import write_image

FORMAT = 1
RESULTS, TABLE, PLOT, VALUES = "results.json", "table.md", "plot.png", "values.npz"
PARTS, SHEETS = "parts", "sheets"

Arrays = dict[str, npt.NDArray[Any]]
Report = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a measurement is: `done` of `total` units of what is being done now."""

    what: str
    done: int
    total: int


class Job:
    """The folder of one measurement.

    Parts are kept under a name that the settings decide, so that a stopped measurement goes on
    only where everything that its numbers depend on is the same.

    Args:
        out: folder.
        settings: everything that decides the numbers, as JSON data.
        overwrite: replace the results of other settings.

    Raises:
        SettingsError: the folder holds the results of other settings.
    """

    def __init__(self, out: Path, settings: Report, *, overwrite: bool = False) -> None:
        self.out = out
        self.settings = {"format": FORMAT, **settings, "versions": versions()}
        text = json.dumps(self.settings, sort_keys=True, ensure_ascii=False)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        found = read_report(out / RESULTS)["key"] if (out / RESULTS).is_file() else None
        self.finished = found == self.key
        if found not in (None, self.key) and not overwrite:
            raise SettingsError(
                f"{out} holds a measurement with other settings; pass --overwrite, or another OUT"
            )

    def part(self, name: str) -> Arrays | None:
        """What `keep` kept under this name, in this run or an earlier one."""
        file = self._file(name)
        return read_arrays(file) if file.is_file() else None

    def keep(self, name: str, arrays: Arrays) -> Arrays:
        """Write a finished part."""
        write_arrays(self._file(name), arrays)
        return arrays

    def drop_old_sheets(self) -> None:
        """Remove the contact sheets of the measurement that is being replaced."""
        if (self.out / RESULTS).is_file():
            shutil.rmtree(self.out / SHEETS, ignore_errors=True)

    def sheet(self, name: str, picture: Image.Image) -> None:
        """Write a contact sheet."""
        write_image(picture, self.out / f"{name}.png", overwrite=True)

    def finish(self, report: Report, table: str, plot: bytes, values: Arrays) -> None:
        """Write the results, the JSON file last, and drop the parts."""
        write_arrays(self.out / VALUES, values)
        with atomic_path(self.out / TABLE) as temporary:
            temporary.write_text(table, encoding="utf-8")
        with atomic_path(self.out / PLOT) as temporary:
            temporary.write_bytes(plot)
        digest = hashlib.sha256((self.out / VALUES).read_bytes()).hexdigest()
        whole = {"key": self.key, "settings": self.settings, **report, "values_sha256": digest}
        with atomic_path(self.out / RESULTS) as temporary:
            text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(self.out / PARTS, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.out / PARTS / self.key[:16] / f"{name}.npz"


def versions() -> dict[str, str]:
    """Of the packages that compute the numbers."""
    return {
        "translate-ebm": metadata.version("translate-ebm"),
        "torch": torch.__version__,
        "torchmetrics": metadata.version("torchmetrics"),
    }


def read_report(file: Path) -> Report:
    """Read a `results.json`.

    Raises:
        InputError: it is missing or something else.
    """
    try:
        report: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a readable measurement ({error})") from None
    if not isinstance(report, dict) or not {"key", "settings", "rows"} <= report.keys():
        raise InputError(f"{file}: no measurement; name the {RESULTS} of an evaluation")
    report = cast("Report", report)
    if report["settings"].get("format") != FORMAT:
        raise InputError(f"{file}: a measurement of another version of this program")
    return report


def read_arrays(file: Path) -> Arrays:
    """Read an .npz file of plain arrays."""
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_arrays(file: Path, arrays: Arrays) -> None:
    """Write an .npz file, the same bytes for the same arrays."""
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
