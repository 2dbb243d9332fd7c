"""Two measurements side by side, with bootstrap intervals of their differences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from translate.errors import InputError, SettingsError
from translate.evaluation.figures import ood_figures, row_name, walk_figures
from translate.evaluation.job import VALUES, Arrays, Progress, Report, read_arrays, read_report
from translate.evaluation.tables import OOD_TITLES, WALK_TITLES, markdown_table, number

LEVEL = 0.95  # of the intervals
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A measurement read back.

    Attributes:
        report: its JSON file.
        values: the values per image beside it.
    """

    report: Report
    values: Arrays

    @property
    def kind(self) -> str:
        """`translation`, `generation` or `ood`."""
        return str(self.report["settings"]["kind"])

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """Rows by name."""
        return {row_name(row): row for row in self.report["rows"]}

    def sets(self) -> dict[str, Mapping[str, Any]]:
        """Described sets by the name that bootstrap indices have."""
        settings = self.report["settings"]
        sets = {k: v for k, v in settings["sets"].items() if k in ("source", "target")}
        return sets | {other["label"]: other for other in settings.get("others", ())}

    def figures(self, row: str, pick: Mapping[str, npt.NDArray[np.int64]]) -> dict[str, float]:
        """Figures of one row on a bootstrap sample."""
        if self.kind == "ood":
            return ood_figures(self.values, row, pick)
        return walk_figures(self.values, list(self.rows()).index(row), pick)


def read_run(file: Path) -> Run:
    """Read a `results.json` and the values beside it.

    Raises:
        InputError: one of them is missing or they do not belong together.
    """
    report, beside = read_report(file), file.with_name(VALUES)
    if not beside.is_file():
        raise InputError(f"{beside} is missing; the intervals need it, keep it beside {file.name}")
    if hashlib.sha256(beside.read_bytes()).hexdigest() != report["values_sha256"]:
        raise InputError(f"{beside} does not belong to {file.name}; measure again")
    return Run(report=report, values=read_arrays(beside))


def compare(a: Run, b: Run, *, resamples: int, seed: int) -> Iterator[Progress | str]:
    """Bootstrap the differences B − A of all figures that both runs have.

    Images of a set that both runs saw are drawn together (paired), others apart. Intervals hold
    95 % of the differences, shifted so that their mean is the measured difference: resampling
    repeats images, which moves a Fréchet distance up in both runs.

    Args:
        a, b: of the same kind.
        resamples: bootstrap samples.
        seed: of the draws.

    Yields:
        How far it is, and at last a Markdown table.

    Raises:
        SettingsError: the runs have nothing in common to compare.
    """
    if a.kind != b.kind:
        raise SettingsError(f"a measurement of {a.kind} cannot be compared with one of {b.kind}")
    if resamples < 2:
        raise SettingsError(f"resamples is {resamples}; use 2 or more")
    common = [name for name in a.rows() if name in b.rows()]
    if not common:
        raise SettingsError("the two measurements have no strength or set in common")
    generator = np.random.default_rng(seed)
    samples: dict[tuple[str, str], list[float]] = {}
    for number_of in range(resamples):
        pick_a, pick_b = _draw(a, b, generator)
        for row in common:
            left, right = a.figures(row, pick_a), b.figures(row, pick_b)
            for name in _names(a, b, left, right):
                samples.setdefault((row, name), []).append(right[name] - left[name])
        yield Progress(what="bootstrap", done=number_of + 1, total=resamples)
    yield _table(a, b, {key: np.array(found) for key, found in samples.items()}, resamples)


def interval(difference: float, samples: Samples) -> tuple[float, float]:
    """The middle `LEVEL` of the samples, shifted to lie around the measured difference."""
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shift = difference - samples.mean()
    return float(low + shift), float(high + shift)


def _draw(
    a: Run, b: Run, generator: np.random.Generator
) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, npt.NDArray[np.int64]]]:
    sets_a, sets_b = a.sets(), b.sets()

    def drawn(described: Mapping[str, Any]) -> npt.NDArray[np.int64]:
        count = int(described["images"])
        return generator.integers(0, count, count)

    pick_a = {name: drawn(described) for name, described in sets_a.items()}
    pick_b = {
        name: pick_a[name] if _same(sets_a.get(name), described) else drawn(described)
        for name, described in sets_b.items()
    }
    return pick_a, pick_b


def _same(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    return one is not None and one["sha256"] == other["sha256"]


def _names(a: Run, b: Run, left: Mapping[str, float], right: Mapping[str, float]) -> list[str]:
    """Figures that both have, distances only in the same features."""
    same = a.report["settings"].get("features") == b.report["settings"].get("features")
    return [n for n in left if n in right and (same or n not in ("frechet", "kernel"))]


def _table(a: Run, b: Run, samples: Mapping[tuple[str, str], Samples], resamples: int) -> str:
    titles = WALK_TITLES | {"l2": "L2"} | dict(a.report.get("distances", {}))
    for name, title in OOD_TITLES.items():
        titles |= {f"{name}_{kind}": f"{title} {kind}" for kind in ("clean", "attacked")}
    rows: list[list[str]] = []
    rows_a, rows_b = a.rows(), b.rows()
    for (row, name), found in samples.items():
        left, right = float(rows_a[row][name]), float(rows_b[row][name])
        low, high = interval(right - left, found)
        sure = "" if low <= 0 <= high else " *"
        between = f"{number(name, low)} … {number(name, high)}"
        difference = number(name, right - left) + sure
        rows.append(
            [f"{row}: {titles[name]}", number(name, left), number(name, right), difference, between]
        )
    domains = [run.report["settings"]["domain"] for run in (a, b)]
    lines = [f"A: {domains[0]['name']} {domains[0]['sha256'][:12]}…\n"]
    lines.append(f"B: {domains[1]['name']} {domains[1]['sha256'][:12]}…\n\n")
    lines.append(markdown_table(["", "A", "B", "B − A", "95 % interval"], rows))
    lines.append(f"\n{resamples} bootstrap samples; * zero is outside the interval.\n")
    sets_a, sets_b = a.sets(), b.sets()
    for name in sets_a.keys() & sets_b.keys():
        if not _same(sets_a[name], sets_b[name]):
            lines.append(f"Other {name} images in A and B: they are drawn apart.\n")
    if a.report["settings"].get("features") != b.report["settings"].get("features"):
        lines.append("Distances are left out: A and B measured them in different features.\n")
    return "".join(lines)
