"""Glasses painted on faces, each pair another: what `translate.training.glasses` learns from.

Pictures are (h,w,3) uint8 faces as `translate.glasses.near` gives them, masks (h,w) bool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.glasses import SEEN
from translate.masking import Mask

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

_WIDTH, _HEIGHT = SEEN
_FINER = 2  # outlines are painted at so many times the size
_BITS = 4  # and in sixteenths of a pixel
_EYES = (_WIDTH / 2, 49.0)  # between the eyes, about
_APART = 25.0  # and from there to either
_DARK_LENS = 0.4  # share of sunglasses
_OPAQUE = 0.42  # what covers less of a pixel is not marked


def with_glasses(face: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """A face with glasses on, and where they hide it: rims, and lenses of sunglasses."""
    pair = _Pair.drawn(random)
    rim, lenses = pair.rim(random), pair.lenses()
    picture = face.astype(np.float64)
    hidden = rim
    if pair.dark:
        cover, colour = _dark(lenses, pair, random)
        picture, hidden = _over(picture, colour, cover), np.maximum(rim, lenses)
    else:
        tint = random.uniform(60, 255, 3)
        picture = _over(picture, tint, lenses * random.uniform(0, 0.16))
        if random.random() < 0.4:
            picture *= 1 - _shadow(rim, random)[..., None]
    if random.random() < (0.6 if pair.dark else 0.45):
        shine = _reflections(pair, random) * (random.uniform(0.3, 0.9) if pair.dark else 1.0)
        picture = _over(picture, np.full(3, 255.0), shine * lenses)
    soft = random.uniform(0, 1)
    edge = cv2.GaussianBlur(rim, (0, 0), soft) if soft > 0.35 else rim
    picture = _over(picture, _frame_colour(random), edge * random.uniform(0.82, 1))
    return _levels(picture), hidden > _OPAQUE


def without_glasses(face: Pixels, random: Random) -> Pixels:
    """A face with something else before it: locks, made-up eyes, a hat, a telephone; or nothing."""
    kind = random.random()
    if kind < 0.25:
        cover, colour = _locks(random), _colour(random)
    elif kind < 0.5:
        cover, colour = _make_up(random), np.full(3, random.uniform(5, 60))
    elif kind < 0.65:
        cover, colour = _hat(random), _colour(random)
    elif kind < 0.92:
        cover, colour = _things(random), _colour(random)
    else:
        return face
    return _levels(_over(face.astype(np.float64), colour, cover))


def moved(picture: Pixels, mask: Mask, random: Random) -> tuple[Pixels, Mask]:
    """Both as another detection has them: elsewhere, larger, tilted, mirrored."""
    turn, scale = random.normal(0, 4), np.exp(random.normal(0, 0.07))
    place = cv2.getRotationMatrix2D((_WIDTH / 2, _HEIGHT / 2), turn, scale)
    place[:, 2] += random.normal(0, 4, 2)
    edge = cv2.BORDER_REPLICATE
    picture = cast(Pixels, cv2.warpAffine(picture, place, SEEN, borderMode=edge))
    marked = cv2.warpAffine(mask.astype(np.uint8) * 255, place, SEEN) > 110
    if random.random() < 0.5:
        picture, marked = picture[:, ::-1], marked[:, ::-1]
    return np.ascontiguousarray(picture), np.ascontiguousarray(marked)


def photographed(picture: Pixels, random: Random) -> Pixels:
    """Another light, contrast and colour; blur, grain and JPEG on some."""
    x = picture.astype(np.float64)
    if random.random() < 0.15:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    x = 255 * (x / 255) ** float(np.exp(random.normal(0, 0.25)))
    x = (x - 128) * np.exp(random.normal(0, 0.2)) + 128 + random.normal(0, 14)
    if random.random() < 0.7:
        x = x * np.exp(random.normal(0, 0.07, 3))
    if random.random() < 0.4:
        x = cast(Floats, cv2.GaussianBlur(x, (0, 0), random.uniform(0.3, 1.5)))
    if random.random() < 0.4:
        x = x + random.normal(0, math.exp(random.uniform(0, math.log(40))), x.shape)
    levels = _levels(x)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))]
        levels = cast(Pixels, cv2.imdecode(cv2.imencode(".jpg", levels, quality)[1], 1))
    return levels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
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
    def drawn(cls, random: Random) -> _Pair:
        """One of all pairs."""
        eye, dark = _APART * random.uniform(0.85, 1.2), random.random() < _DARK_LENS
        wide = eye * random.uniform(0.58, 0.92)
        high = wide * (random.uniform(0.5, 1.05) if random.random() < 0.8 else 1.0)
        if dark:
            wide, high = wide * random.uniform(1, 1.15), high * random.uniform(1, 1.25)
        thick = math.exp(random.uniform(math.log(1.1), math.log(6.5)))
        even = random.random() < 0.65
        return cls(
            middle=np.array(_EYES) + random.normal(0, 4, 2) + (0, 3 * (random.random() < 0.1)),
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
        canvas = _canvas()
        (wide, high), (above, below) = self.half, self.thick
        for side in (-1, 1):
            u, v = self._lens()
            outline, upper = self._placed(side * (self.apart + u), v + self.low), v < 0.05 * high
            for i in range(len(outline)):
                after = (i + 1) % len(outline)
                thick = above if upper[i] and upper[after] else below
                if thick:
                    _line(canvas, outline[[i, after]], thick)
            if random.random() < 0.85:
                start, reach = self.apart + 0.97 * wide, random.uniform(0.25, 1.3) * _APART
                height = self.low - high * random.uniform(0.15, 0.75)
                ends = np.array([height, height + random.normal(0, 0.24) * reach])
                temple = self._placed(side * np.array([start, start + reach]), ends)
                _line(canvas, temple, above * random.uniform(0.6, 1.4))
        bow = np.linspace(-1, 1, 9)
        height = self.low - high * random.uniform(-0.05, 0.7)
        arch = height - (1 - bow**2) * random.uniform(-0.5, 4)
        across = self._placed(bow * max(1.5, self.apart - 0.92 * wide), arch)
        _line(canvas, across, above * random.uniform(0.6, 1.3))
        if random.random() < 0.12:  # a second bridge
            end = self.apart - 0.4 * wide
            bar = self._placed(np.array([-end, end]), np.full(2, self.low - 0.95 * high))
            _line(canvas, bar, 0.8 * above)
        return _shrunk(canvas)

    def lenses(self) -> Floats:
        """(h,w) in [0,1]: how much of each pixel they cover."""
        canvas = _canvas()
        for side in (-1, 1):
            u, v = self._lens()
            outline = self._placed(side * (self.apart + u), v + self.low)
            cv2.fillPoly(canvas, [outline], (255,), cv2.LINE_AA, _BITS)
        return _shrunk(canvas)

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
        v = v * (1 + 0.4 * self.turn * np.sign(u)) + self.bend * (np.abs(u) / _APART) ** 2
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        points = np.stack([cosine * u - sine * v, sine * u + cosine * v], axis=-1) + self.middle
        return np.rint(points * _FINER * 2**_BITS).astype(np.int32)


def _dark(lenses: Floats, pair: _Pair, random: Random) -> tuple[Floats, Floats]:
    """How much of each pixel the lenses of sunglasses hide, and their colours."""
    if random.random() < 0.2:  # mirrors
        top, bottom = random.uniform(30, 230, (2, 3))
    else:
        top = random.uniform(3, 60) * random.uniform((0.6, 0.7, 0.6), (1.6, 1.1, 1.5))
        bottom = top * random.uniform(0.8, 2.5)
    start = pair.middle[1] - pair.half[1]
    down = np.clip((np.arange(_HEIGHT) - start) / (2 * pair.half[1]), 0, 1)[:, None]
    first, last = random.uniform(0.8, 1), random.uniform(0.62, 1)
    colour = top + (np.clip(bottom, 0, 255) - top) * down[..., None]
    return (first + (last - first) * down) * lenses, np.broadcast_to(colour, (*lenses.shape, 3))


def _shadow(rim: Floats, random: Random) -> Floats:
    by = (random.integers(1, 5), random.integers(-2, 3))
    blurred = cv2.GaussianBlur(np.roll(rim, by, (0, 1)), (0, 0), random.uniform(0.8, 2.5))
    return cast(Floats, blurred * random.uniform(0.1, 0.4))


def _reflections(pair: _Pair, random: Random) -> Floats:
    shine, (wide, high) = np.zeros((_HEIGHT, _WIDTH)), pair.half
    for _ in range(random.integers(1, 4)):
        middle = pair.middle + random.normal(0, (1.1 * _APART, 0.5 * high))
        corners = middle + random.normal(0, (0.5 * wide, 0.4 * high), (random.integers(3, 6), 2))
        hull = cv2.convexHull(np.rint(corners).astype(np.int32))
        cv2.fillPoly(shine, [hull], (random.uniform(0.15, 0.75),))
    return cast(Floats, cv2.GaussianBlur(shine, (0, 0), random.uniform(0.5, 4)))


def _frame_colour(random: Random) -> Floats:
    """(h,w,3): one colour, darker above or below, with patches or lights on some."""
    down = np.linspace(0, 1, _HEIGHT)[:, None, None]
    colour = _colour(random) * (1 + random.normal(0, 0.25) * (down - 0.4))
    colour = colour * np.ones((_HEIGHT, _WIDTH, 1))
    if random.random() < 0.25:  # tortoiseshell
        colour *= (1 + 2 * _clouds(random.uniform(1, 3), random))[..., None]
    if random.random() < 0.4:
        lights = np.clip(8 * _clouds(4, random) - 0.8, 0, 1) * random.uniform(0.2, 0.8)
        colour = _over(colour, np.full(3, 255.0), lights)
    return np.clip(colour, 0, 255)


def _colour(random: Random) -> Floats:
    """Most are dark, some brown, few of a colour, of metal or white."""
    kind = random.random()
    if kind < 0.6:
        colour = random.uniform(5, 75) + random.normal(0, 6, 3)
    elif kind < 0.76:
        colour = random.uniform((60, 35, 15), (130, 75, 50))
    elif kind < 0.86:
        hsv = random.uniform((0, 120, 80), (180, 255, 230)).astype(np.uint8)
        colour = cv2.cvtColor(hsv[None, None], cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)
    elif kind < 0.95:
        colour = np.array([1, 0.95, 0.85]) * random.uniform(90, 190)
    else:
        colour = np.full(3, random.uniform(200, 255))
    return np.clip(cast(Floats, colour), 0, 255)


def _locks(random: Random) -> Floats:
    canvas, root = _canvas(), random.uniform(20, 170)
    along = np.linspace(0, 1, 20)[:, None]
    for _ in range(random.integers(1, 7)):
        spread = np.array([(root, -5.0), (root, 35.0), (root, 92.0)])
        spread += random.normal(0, 1, (3, 2)) * ((10, 0), (20, 9), (35, 24))
        curve = (1 - along) ** 2 * spread[0] + 2 * along * (1 - along) * spread[1]
        curve = np.rint((curve + along**2 * spread[2]) * _FINER * 2**_BITS).astype(np.int32)
        _line(canvas, curve, random.uniform(0.5, 3.5))
    return _shrunk(canvas) * random.uniform(0.5, 1)


def _make_up(random: Random) -> Floats:
    """Liner and brows."""
    canvas, (x, y) = _canvas(), _EYES
    y += random.normal(0, 3)
    apart, lid, brow = _APART * random.uniform(0.85, 1.15), (10.0, 4.5), (13.0, 7.5)
    for side in (-1, 1):
        for above, half, arc in ((0.0, lid, (0, 360)), (random.uniform(1, 8), brow, (200, 340))):
            thick = random.uniform(0.5, 5)
            middle = np.array([x + side * apart, y - above]) * _FINER
            axes = np.array(half) * random.uniform(0.7, 1.3, 2) * _FINER
            filled = arc == (0, 360) and random.random() < 0.6
            cv2.ellipse(
                canvas,
                np.rint(middle).astype(int).tolist(),
                np.rint(axes).astype(int).tolist(),
                0,
                *arc,
                (255,),
                -1 if filled else max(1, round(thick * _FINER)),
                cv2.LINE_AA,
            )
    blurred = cv2.GaussianBlur(_shrunk(canvas), (0, 0), random.uniform(0.3, 2))
    return cast(Floats, blurred * random.uniform(0.3, 0.95))


def _hat(random: Random) -> Floats:
    """Everything above an edge."""
    x = np.arange(_WIDTH) - _WIDTH / 2
    waves = random.uniform(-6, 6) * np.sin(x / random.uniform(10, 40))
    edge = random.uniform(0, 38) + random.normal(0, 0.1) * x + waves
    below = (np.arange(_HEIGHT)[:, None] - edge) / random.uniform(0.5, 4)
    return random.uniform(0.5, 1) / (1 + np.exp(np.clip(below, -50, 50)))


def _things(random: Random) -> Floats:
    """Boxes, bars across the picture, discs."""
    cover = np.zeros((_HEIGHT, _WIDTH))
    for _ in range(random.integers(1, 4)):
        (x, y), size = random.uniform(0, SEEN), np.exp(random.uniform(np.log(8), np.log(90), 2))
        bar = random.random() < 0.2
        if bar:
            x, size[0] = _WIDTH / 2, 2.0 * _WIDTH
        canvas = np.zeros((_HEIGHT, _WIDTH), np.uint8)
        shape = ((x, y), size.tolist(), random.normal(0, 3 if bar else 20))
        if random.random() < 0.3:
            cv2.ellipse(canvas, shape, (255,), -1)
        else:
            corners = np.rint(cv2.boxPoints(shape)).astype(np.int32)
            cv2.fillPoly(canvas, [corners], (255,))
        cover = np.maximum(cover, canvas / 255 * random.uniform(0.5, 1))
    if random.random() < 0.5:
        cover = cast(Floats, cv2.GaussianBlur(cover, (0, 0), random.uniform(0.4, 2)))
    return cover


def _clouds(sigma: float, random: Random) -> Floats:
    return cast(Floats, cv2.GaussianBlur(random.normal(0, 1, (_HEIGHT, _WIDTH)), (0, 0), sigma))


def _canvas() -> Pixels:
    return np.zeros((_HEIGHT * _FINER, _WIDTH * _FINER), np.uint8)


def _line(canvas: Pixels, points: npt.NDArray[np.int32], thick: float) -> None:
    pixels = max(1, round(thick * _FINER))
    cv2.polylines(canvas, [points], False, (255,), pixels, cv2.LINE_AA, _BITS)


def _shrunk(canvas: Pixels) -> Floats:
    return cast(Pixels, cv2.resize(canvas, SEEN, interpolation=cv2.INTER_AREA)) / 255


def _over(picture: Floats, colour: Floats, cover: Floats) -> Floats:
    return picture + (colour - picture) * cover[..., None]


def _levels(picture: Floats) -> Pixels:
    return np.clip(picture, 0, 255).astype(np.uint8)
