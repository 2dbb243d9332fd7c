"""Small drawings in SVG: the energy along a walk, and where an image falls between two worlds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from translate.card_parts import Calibration

_WIDTH, _HEIGHT = 640, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 14, 26


class _Scale:
    """Data -> points of the drawing."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def across(self, value: float) -> float:
        share = (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def down(self, value: float) -> float:
        share = (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1.0)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _drawing(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "word") -> str:
    words = escape(words.replace("-", "−"))
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'


def energy_curve(
    energies: Sequence[float], total: int, target: float, title: str, at: int | None = None
) -> str:
    """Energies of the states so far, over the whole walk.

    Args:
        energies: of the states, the start first; at least one.
        total: steps of the walk.
        target: median energy of real target images, drawn as a line.
        title: of the domain.
        at: state to mark; None is the last one.
    """
    at = len(energies) - 1 if at is None else at
    low, high = min(*energies, target), max(*energies, target)
    room = 0.08 * (high - low) or 1.0
    scale = _Scale((0, max(total, 1)), (low - room, high + room))
    points = [(scale.across(i), scale.down(e)) for i, e in enumerate(energies)]
    line = " ".join(f"{x},{y}" for x, y in points)
    ground, goal = _HEIGHT - _BOTTOM, scale.down(target)
    area = f"{points[0][0]},{ground} {line} {points[-1][0]},{ground}"
    above = goal - 6 if goal > _TOP + 14 else goal + 14
    label = (
        f"Energy over {len(energies) - 1} steps, from {energies[0]:.2f} to {energies[-1]:.2f}; "
        f"typical pictures of {title} have {target:.2f}"
    )
    return _drawing(
        label,
        [
            f'<polygon class="area" points="{area}"/>',
            f'<line class="goal" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{goal}" y2="{goal}"/>',
            _text(_WIDTH - _RIGHT, above, f"typical {title}: {target:.2f}", "end", "goalword"),
            f'<polyline class="line" points="{line}"/>',
            f'<circle class="dot" cx="{points[at][0]}" cy="{points[at][1]}" r="5"/>',
            _text(_LEFT, _HEIGHT - 8, "photo"),
            _text(
                _WIDTH / 2, _HEIGHT - 8, f"step {at}, energy {energies[at]:.2f}", "middle", "middle"
            ),
            _text(_WIDTH - _RIGHT, _HEIGHT - 8, f"{total} steps", "end"),
        ],
    )


def histogram(calibration: Calibration, energy: float, title: str) -> str:
    """How common each energy is among photos and among target images, and where one image lies.

    Args:
        calibration: 21 quantiles of each; between two neighbours lie 5 % of the images.
        energy: of the image.
        title: of the domain.
    """
    both = (calibration.data, calibration.source)
    low = min(calibration.data[0], calibration.source[0], energy)
    high = max(calibration.data[-1], calibration.source[-1], energy)
    room = 0.05 * (high - low) or 1.0
    shapes = [_density(values, low - room, high + room) for values in both]
    scale = _Scale((low - room, high + room), (0.0, max(map(max, shapes)) or 1.0))
    step = (high - low + 2 * room) / len(shapes[0])
    parts: list[str] = []
    for kind, shape in zip(("data", "source"), shapes, strict=True):
        middle = [
            f"{scale.across(low - room + (i + 0.5) * step)},{scale.down(v)}"
            for i, v in enumerate(shape)
        ]
        ground = _HEIGHT - _BOTTOM
        ends = f"{scale.across(low - room)},{ground}", f"{scale.across(high + room)},{ground}"
        parts.append(f'<polygon class="{kind}" points="{ends[0]} {" ".join(middle)} {ends[1]}"/>')
    x = scale.across(energy)
    anchor = "end" if x > _WIDTH * 0.7 else "start"
    parts += [
        f'<line class="mark" x1="{x}" x2="{x}" y1="2" y2="{_HEIGHT - _BOTTOM}"/>',
        _text(x - 6 if anchor == "end" else x + 6, 3, f"this image: {energy:.2f}", anchor, "mine"),
        _text(_LEFT, _HEIGHT - 8, title, "start", "dataword"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 8, "ordinary photos", "end", "sourceword"),
    ]
    label = (
        f"Energies of pictures of {title} (median {calibration.data[10]:.2f}) and of ordinary "
        f"photos (median {calibration.source[10]:.2f}); this image has {energy:.2f}"
    )
    return _drawing(label, parts)


def _density(quantiles: Sequence[float], low: float, high: float, bins: int = 64) -> list[float]:
    """Share of images per bin from quantiles, smoothed a little over neighbouring bins."""
    width = (high - low) / bins
    shares = [0.0] * bins
    for a, b in itertools.pairwise(quantiles):
        for i in range(bins):
            left, right = low + i * width, low + (i + 1) * width
            overlap = min(b, right) - max(a, left)
            if overlap > 0:
                shares[i] += 0.05 * overlap / (b - a)
            elif a == b and left <= a < right:
                shares[i] += 0.05
    smooth = shares
    for _ in range(3):
        padded = [0.0, *smooth, 0.0]
        smooth = [(padded[i] + 2 * padded[i + 1] + padded[i + 2]) / 4 for i in range(bins)]
    return smooth
