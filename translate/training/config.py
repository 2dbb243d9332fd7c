"""The training recipe: a TOML file as data, checked before anything is loaded."""

from __future__ import annotations

import itertools
import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from translate.card_parts import Descent, Name
from translate.domain import LARGEST_EYES, describe
from translate.errors import TrainingError
from translate.networks.config import NetworkConfig
from translate.training.data_settings import Data, Settings

Beta = Annotated[float, Field(ge=0, lt=1)]
RECIPES = Path(__file__).parent / "recipes"


class Network(Settings):
    """Shape of the final network; earlier stages use the coarse end of it. See `NetworkConfig`."""

    channels: tuple[int, ...]
    blocks: int | tuple[int, ...] = 1
    swish: float = 0.0
    members: int = Field(default=1, ge=1, le=8)
    head: Literal["aligned", "pooled"] = "aligned"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class Stage(Settings):
    """One resolution.

    Attributes:
        size: pixels.
        updates: optimiser updates.
        batch_size: images of p_data, and as many of p_0, per update.
        learning_rate: of Adam.
        k_start, k_max: PGD steps of the attack, first and last.
        updates_per_k: budget of one K; 0 divides `updates` evenly.
        auc: mean AUC of data against attacked images above which K moves on early.
        auc_floor: mean AUC below which K falls by one, not below 1: where the attack has won
            (AUC 0.5, a loss of ln 4) nothing is learned any more. 0: K only rises.
        auc_window: updates that the mean is taken over; also the least number per K.
        step_size: L2 length of one PGD step, in [0,1] pixels of a `reference_size` image.
        r1: weight γ of the penalty ½γ·E‖∇f‖² on p_data, at `reference_size`.
        r2: the same on the attacked images (Roth et al. 2017): a network that may not be steep
            there cannot make the attack bounce.
        coarse: shares of the updates that train the network as seen from one, two, … halvings
            away (`EnergyModel.logit`), so that walks can go from coarse to fine.
        translated: share of the updates whose attack is a whole translation as the card's strength
            1 makes it, so that the network is told what is still wrong with its own results.
        spoilt: share of the updates whose attack, of a third of K moves at most, starts from the
            update's own targets, bent or with parts missing (`translate.training.spoiling`), so
            that the network minds eyes that slip and mouths that are not there.
        noise: largest sigma of the Gaussian noise that both sides carry when the network tells them
            apart, each image its own up to this (Sønderby et al. 2017). It hides what no walk can
            reach, as the perfect flatness of a vector drawing, and calms the slopes.
    """

    size: int = Field(ge=8)
    updates: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    k_start: int = Field(default=0, ge=0)
    k_max: int = Field(ge=0)
    updates_per_k: int = Field(default=0, ge=0)
    auc: float = Field(default=0.85, ge=0.5, le=1)
    auc_floor: float = Field(default=0.0, ge=0, lt=1)
    auc_window: int = Field(default=25, ge=1)
    step_size: float = Field(gt=0)
    r1: float = Field(default=0.0, ge=0)
    r2: float = Field(default=0.0, ge=0)
    coarse: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    translated: float = Field(default=0.0, ge=0, le=1)
    spoilt: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(self.coarse) > 1:
            raise ValueError(f"coarse is {list(self.coarse)}; its shares may not exceed 1 together")
        if self.auc_floor >= self.auc:
            raise ValueError(f"auc_floor {self.auc_floor:g} is not below auc {self.auc:g}")
        if self.translated + self.spoilt > 1:
            raise ValueError(
                f"translated {self.translated:g} and spoilt {self.spoilt:g} exceed 1 together"
            )
        if self.k_start > self.k_max:
            raise ValueError(f"k_start {self.k_start} is above k_max {self.k_max}")
        return self

    @property
    def budget(self) -> int:
        """Most updates spent at one K below `k_max`."""
        return self.updates_per_k or max(1, self.updates // (self.k_max - self.k_start + 1))


class Recipe(Settings):
    """Everything that decides a training run.

    Attributes:
        name: of the domain.
        title: of the domain, for people.
        summary: one line for people.
        framing: how photos are fitted to the model's window.
        face_margin, face_centre, face_corners, face_drawn: see `translate.framing.FaceSquare`.
        face_glasses, face_relit, face_eyes, face_skin: see `translate.domain.Domain`.
        auto: see `translate.domain.Domain`.
        seed: of all randomness.
        start: domain (bundled name, folder or `org/repo`) whose weights the run sets out from; ""
            starts from random ones. See `translate.training.beginnings`.
        reference_size: pixels at which step sizes and R1 weights are given. PGD lengths grow
            with √(3HW), so with the size; R1 weights with its square. 0: given per stage as is.
        decay: how much shorter the last move of an attack and of the samples is than the first, of
            the same travel: in [0,1]. Where long last moves would jump to and fro, a network learns
            to make them (see docs/training.md, "Moves that slow down").
        as_sampled: share of the updates whose attack moves as the samples do (locks, headroom,
            total variation), so that the network knows where such walks lead.
        r1_every: R1 and R2 on every n-th update, n times as strong.
        clip: gradients longer than so many times their usual length, as Adam remembers it, are
            shortened to that (Pascanu, Mikolov, Bengio 2013, with a bound that follows the run); 0
            shortens none. Without momentum a network that tells less and less overshoots more and
            more, until nothing is left of it. Above 1: what is remembered are shortened ones.
        ema: decay of the exponential average of the weights.
        betas: of Adam.
        sample_travel: travel of the translations the samples and the card use, as a share of
            √(3HW).
        sample_steps: PGD steps they take.
        sample_coarse: shares of their walk at each halving, see `Descent`.
        sample_mirrored: whether they look into the mirror in turn, see `Descent`.
        sample_together: whether each of their moves follows all members, see `Descent`.
        sample_smooth: sigma of the blur they set out from, as a share of the size.
        sample_exposure, sample_burning: light they set out with, see `Descent`.
        sample_tone_lock, sample_colour_lock: what they keep of the photo, see `Descent`.
        sample_shade: how dark colours keep their hue, see `Descent`.
        sample_headroom, sample_footroom, sample_total_variation: what they avoid, see `Descent`.
        sample_flatten: how far each move's picture is flattened, see `Descent`.
        sample_despeckle: how long the dark spots are, at most, that are filled in it, as a share of
            the size.
        sample_bare: how much of the dark strokes on bare skin and behind a head goes, see
            `Descent`; not in training: a network would learn to mind what no walk may change.
        sample_sky, sample_dark: how far skies change as one, and how far what stays dark does, see
            `Descent`; not in training either.
        sample_reach: share of held-out photos that strength 1.0 brings to the median energy of
            target images, if `sample_steps` suffice.
        licence: terms of the weights, for the card.
        remarks: what the pictures look like, weaknesses included, for the card.
    """

    name: Name
    title: str
    summary: str = ""
    framing: Literal["face", "scene", "crop"] = "crop"
    face_margin: float = Field(default=1.9, ge=1, le=10)
    face_centre: float = Field(default=0.45, ge=0, le=1)
    face_corners: bool = False
    face_drawn: bool = False
    face_glasses: bool = False
    face_relit: bool = False
    face_eyes: float = Field(default=1.0, ge=1, le=LARGEST_EYES)
    face_skin: float = Field(default=0.0, ge=0, le=1)
    auto: bool = False
    seed: int = 0
    start: str = ""
    reference_size: int = Field(default=0, ge=0)
    decay: float = Field(default=0.0, ge=0, le=1)
    as_sampled: float = Field(default=0.0, ge=0, le=1)
    r1_every: int = Field(default=1, ge=1)
    clip: float = Field(default=0.0, ge=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    betas: tuple[Beta, Beta] = (0.0, 0.99)
    sample_travel: float = Field(default=0.27, gt=0)
    sample_steps: int = Field(default=18, ge=1)
    sample_coarse: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    sample_mirrored: bool = False
    sample_together: bool = False
    sample_smooth: float = Field(default=0.0, ge=0, le=0.2)
    sample_exposure: float = Field(default=1.0, gt=0, le=1)
    sample_burning: float = Field(default=0.0, ge=0, le=1)
    sample_tone_lock: float = Field(default=0.0, ge=0, le=1)
    sample_colour_lock: float = Field(default=0.0, ge=0, le=1)
    sample_shade: float = Field(default=0.0, ge=0, le=1)
    sample_headroom: float = Field(default=0.0, ge=0, le=1)
    sample_footroom: float = Field(default=0.0, ge=0, le=1)
    sample_total_variation: float = Field(default=0.0, ge=0, lt=1)
    sample_flatten: float = Field(default=0.0, ge=0, le=1)
    sample_despeckle: float = Field(default=0.0, ge=0, le=0.2)
    sample_bare: float = Field(default=0.0, ge=0, le=1)
    sample_sky: float = Field(default=0.0, ge=0, le=1)
    sample_dark: float = Field(default=0.0, ge=0, le=1)
    sample_reach: float = Field(default=0.9, gt=0, le=1)
    licence: str = ""
    remarks: str = ""
    data: Data
    network: Network
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if 0 < self.clip <= 1:
            raise ValueError(f"clip is {self.clip:g}; use a number above 1, or 0 for none")
        sizes = [stage.size for stage in self.stages]
        if any(b not in (a, 2 * a) for a, b in itertools.pairwise(sizes)):
            raise ValueError(f"stage sizes {sizes} must stay equal or double from stage to stage")
        if self.network.members > 1 and sizes[0] != sizes[-1]:
            raise ValueError(f"{self.network.members} members cannot grow; give one stage size")
        for index, stage in enumerate(self.stages):
            levels = len(self.network_at(index).channels) - 1
            if len(stage.coarse) >= levels:
                raise ValueError(
                    f"stage {index} looks {len(stage.coarse)} halvings away, but has "
                    f"{levels} levels"
                )
        return self

    def descent_at(self, stage: int) -> Descent:
        """How samples are walked in a stage: all `sample_steps` moves."""
        size, steps, decay = self.stages[stage].size, self.sample_steps, self.decay
        travel = self.sample_travel * math.sqrt(3) * size
        return Descent(
            steps=steps,
            step_size=round(travel / Descent(steps=steps, step_size=1, decay=decay).travel, 6),
            decay=decay,
            coarse=self.sample_coarse[: len(self.stages[stage].coarse)],
            mirrored=self.sample_mirrored,
            together=self.sample_together,
            smooth=self.sample_smooth * size,
            exposure=self.sample_exposure,
            burning=self.sample_burning,
            tone_lock=self.sample_tone_lock,
            colour_lock=self.sample_colour_lock,
            shade=self.sample_shade,
            headroom=self.sample_headroom,
            footroom=self.sample_footroom,
            total_variation=self.sample_total_variation,
            flatten=self.sample_flatten,
            despeckle=self.sample_despeckle * size,
            bare=self.sample_bare,
            sky=self.sample_sky,
            dark=self.sample_dark,
        )

    def network_at(self, stage: int) -> NetworkConfig:
        """The network of one stage: the final one without its finest levels."""
        final, size = self.stages[-1].size, self.stages[stage].size
        closed, blocks = (final // size).bit_length() - 1, self.network.blocks
        return NetworkConfig(
            size=size,
            channels=self.network.channels[closed:],
            blocks=blocks[closed:] if isinstance(blocks, tuple) else blocks,
            swish=self.network.swish,
            members=self.network.members,
            head=self.network.head,
            mean=self.network.mean,
            std=self.network.std,
        )

    def step_size_at(self, stage: int) -> float:
        """L2 length of one PGD step at the stage's resolution, in [0,1] pixels."""
        return self.stages[stage].step_size * self._ratio(stage)

    def r1_at(self, stage: int) -> float:
        """R1 weight γ at the stage's resolution."""
        return self.stages[stage].r1 * self._ratio(stage) ** 2

    def r2_at(self, stage: int) -> float:
        """The same weight on attacked images."""
        return self.stages[stage].r2 * self._ratio(stage) ** 2

    def _ratio(self, stage: int) -> float:
        return self.stages[stage].size / self.reference_size if self.reference_size else 1.0


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe file, or a bundled recipe by name.

    Raises:
        TrainingError: the file is missing, no TOML, or a setting is wrong; all are named.
    """
    file = Path(path)
    bundled = RECIPES / f"{path}.toml"
    if not file.is_file() and bundled.is_file():
        file = bundled
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise TrainingError(f"{file}: no such recipe; name a TOML file or one of {names}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file}: not a readable recipe ({error})") from None
    return read_recipe(text, str(file))


def read_recipe(text: str, name: str) -> Recipe:
    """The recipe in a TOML text.

    Args:
        text: the whole of it.
        name: of where it is from, for messages.

    Raises:
        TrainingError: the text is no TOML, or a setting is wrong; all are named.
    """
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{name}: not a readable recipe ({error})") from None
    except ValidationError as error:
        raise TrainingError(f"{name}: {describe(error)}") from None
