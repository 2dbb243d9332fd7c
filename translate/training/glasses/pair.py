"""The shape of a pair of glasses and its place on a face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from translate.training.glasses.canvas import (
    APART,
    BITS,
    EYES,
    FINER,
    Floats,
    Random,
    blank,
    line,
    shrunk,
)

_DARK_LENS = 0.4  # share of sunglasses


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Shape and place of a pair of glasses; lengths in pixels, from the bridge.

    Attributes:
        middle: of the bridge, x and y.
        tilt: of the head, in radians.
        turn: of the head to a side: how much longer that side is.
        bend: how far ends hang.
        apart: from the bridge to the middle of a lens.
        half: width and height of a lens, halved.
        low: how far below the bridge a lens has its middle.
        power: of the superellipse: 2 is round, 6 is square.
        narrow: how much narrower a lens is below.
        wing: how much higher its outer corner is.
        drop: how far it hangs down, as aviators do.
        thick: of the rim above and below, maybe nothing there.
        dark: whether they are sunglasses.
    """

    middle: Floats
    tilt: float
    turn: float
    bend: float
    apart: float
    half: tuple[float, float]
    low: float
    power: float
    narrow: float
    wing: float
    drop: float
    thick: tuple[float, float]
    dark: bool

    @classmethod
    def drawn(cls, random: Random) -> Pair:
        """One of all pairs."""
        eye, dark = APART * random.uniform(0.85, 1.2), random.random() < _DARK_LENS
        wide = eye * random.uniform(0.58, 0.92)
        high = wide * (random.uniform(0.5, 1.05) if random.random() < 0.8 else 1.0)
        if dark:
            wide, high = wide * random.uniform(1, 1.15), high * random.uniform(1, 1.25)
        thick = math.exp(random.uniform(math.log(1.1), math.log(6.5)))
        even = random.random() < 0.65
        return cls(
            middle=np.array(EYES) + random.normal(0, 4, 2) + (0, 3 * (random.random() < 0.1)),
            tilt=float(np.deg2rad(random.normal(0, 8))),
            turn=float(np.clip(random.normal(0, 0.13), -0.3, 0.3)),
            bend=random.uniform(-0.5, 2),
            apart=max(eye * random.uniform(0.93, 1.08), wide + random.uniform(1.5, 4.5)),
            half=(wide, high),
            low=high * random.uniform(-0.15, 0.4),
            power=float(random.choice([2, 2.3, 3, 4, 6])),
            narrow=random.uniform(-0.05, 0.22),
            wing=random.uniform(0, 0.35) * (random.random() < 0.25),
            drop=random.uniform(0.1, 0.5) * (random.random() < 1 / 3),
            thick=(
                thick * (1 if even else random.uniform(1.2, 2)),
                thick * (1 if even else float(random.choice([0, 0.4, 0.7]))),
            ),
            dark=dark,
        )

    def rim(self, random: Random) -> Floats:
        """(h,w) in [0,1]: how much of each pixel rims, bridge and temples cover."""
        canvas = blank()
        (wide, high), (above, below) = self.half, self.thick
        for side in (-1, 1):
            u, v = self._lens()
            outline, upper = self._placed(side * (self.apart + u), v + self.low), v < 0.05 * high
            for i in range(len(outline)):
                after = (i + 1) % len(outline)
                thick = above if upper[i] and upper[after] else below
                if thick:
                    line(canvas, outline[[i, after]], thick)
            if random.random() < 0.85:
                start, reach = self.apart + 0.97 * wide, random.uniform(0.25, 1.3) * APART
                height = self.low - high * random.uniform(0.15, 0.75)
                ends = np.array([height, height + random.normal(0, 0.24) * reach])
                temple = self._placed(side * np.array([start, start + reach]), ends)
                line(canvas, temple, above * random.uniform(0.6, 1.4))
        bow = np.linspace(-1, 1, 9)
        height = self.low - high * random.uniform(-0.05, 0.7)
        arch = height - (1 - bow**2) * random.uniform(-0.5, 4)
        across = self._placed(bow * max(1.5, self.apart - 0.92 * wide), arch)
        line(canvas, across, above * random.uniform(0.6, 1.3))
        if random.random() < 0.12:  # a second bridge
            end = self.apart - 0.4 * wide
            bar = self._placed(np.array([-end, end]), np.full(2, self.low - 0.95 * high))
            line(canvas, bar, 0.8 * above)
        return shrunk(canvas)

    def lenses(self) -> Floats:
        """(h,w) in [0,1]: how much of each pixel they cover."""
        canvas = blank()
        for side in (-1, 1):
            u, v = self._lens()
            outline = self._placed(side * (self.apart + u), v + self.low)
            cv2.fillPoly(canvas, [outline], (255,), cv2.LINE_AA, BITS)
        return shrunk(canvas)

    def _lens(self) -> tuple[Floats, Floats]:
        """Its outline around its own middle: outwards, and down."""
        wide, high = self.half
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        cosine, sine = np.cos(angle), np.sin(angle)
        u = wide * np.sign(cosine) * np.abs(cosine) ** (2 / self.power)
        v = high * np.sign(sine) * np.abs(sine) ** (2 / self.power)
        u = u * (1 - self.narrow * v / high)
        v = v - self.wing * high * (u / wide) * (v < 0)
        hang = 0.5 * (1 - np.abs(u / wide - 0.25))
        return u, v + self.drop * high * hang * (v > 0)

    def _placed(self, u: Floats, v: Floats) -> npt.NDArray[np.int32]:
        """Points beside and below the bridge -> (n,2) on the canvas."""
        u = u * (1 + self.turn * np.sign(u))
        v = v * (1 + 0.4 * self.turn * np.sign(u)) + self.bend * (np.abs(u) / APART) ** 2
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        points = np.stack([cosine * u - sine * v, sine * u + cosine * v], axis=-1) + self.middle
        return np.rint(points * FINER * 2**BITS).astype(np.int32)
