"""Binary adversarial training with progressive attack length (Yin, Li, Rohde 2022, algorithm 1)."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from translate.device import autocast
from translate.energy import EnergyModel
from translate.errors import TrainingError
from translate.framing import FaceSquare
from translate.guide import SeenFrom, seen_from
from translate.options import own_pgd
from translate.pgd import attack
from translate.pgd_settings import PGD
from translate.replay import Replay
from translate.shaping import TINY, l2_norm
from translate.training import checkpoint
from translate.training.beginnings import grown, take_over
from translate.training.checkpoint import Position
from translate.training.config import Recipe, Stage
from translate.training.data import Mix, load_images
from translate.training.data_settings import Augment, Source
from translate.training.losses import auc
from translate.training.objectives import Objectives
from translate.training.report import Report
from translate.training.spoiling import spoilt

DIVERGED = 50.0
"""Binary loss that ends a run; ln 4 = 1.39 is a draw. One went from 3 over 19 to 1,600 in three
updates, and had lost all that it had learned."""


class Trainer:
    """State of a run and the one thing it does: `update`.

    Args:
        recipe: all settings.
        data_root: folder that the recipe's paths are relative to.
        cache: folder for decoded images.
        device: to train on.
        dtype: of the convolutions; weights, loss and images stay float32.
    """

    def __init__(
        self, recipe: Recipe, data_root: Path, cache: Path, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.recipe = recipe
        self.data_root = data_root
        self.cache = cache
        self.device = device
        self.dtype = dtype
        self.position = Position(k=recipe.stages[0].k_start)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            model = EnergyModel(recipe.network_at(0))
        self._use(model, copy.deepcopy(model))

    @property
    def stage(self) -> Stage:
        """Settings of the current stage."""
        return self.recipe.stages[self.position.stage]

    @property
    def done(self) -> bool:
        """Whether the last stage has had all its updates."""
        last = self.position.stage == len(self.recipe.stages) - 1
        return last and self.position.update >= self.stage.updates

    def set_out_from(self, domain: EnergyModel) -> None:
        """Begin with the weights of another domain's network, see `take_over`.

        Raises:
            TrainingError: it has another shape.
        """
        for model in (self.model, self.ema):
            take_over(model, domain)

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Go on from a checkpoint, with this trainer's recipe (which may have changed since).

        Raises:
            TrainingError: the checkpoint's network is not the recipe's at that stage.
        """
        if saved.position.stage >= len(self.recipe.stages):
            raise TrainingError("the checkpoint is in a stage that the recipe no longer has")
        config = self.recipe.network_at(saved.position.stage)
        model, ema = EnergyModel(config), EnergyModel(config)
        try:
            model.load_state_dict(saved.model)
            ema.load_state_dict(saved.ema)
        except RuntimeError:
            raise TrainingError("the checkpoint's network is not the recipe's") from None
        self.position = saved.position
        self.position.k = min(self.position.k, self.stage.k_max)
        self._use(model, ema)
        if saved.adam:
            checkpoint.restore_adam(self.optimizer, saved.adam)

    def save(self, path: Path) -> None:
        """Write a checkpoint that `restore` continues from exactly."""
        checkpoint.save(
            path,
            recipe=self.recipe,
            position=self.position,
            model=self.model,
            ema=self.ema,
            optimizer=self.optimizer,
        )

    def update(self) -> Report:
        """One optimiser update; enters the next stage first where one is due.

        Raises:
            TrainingError: the loss is not finite, or far beyond what a run comes back from; the
                weights are those before this update.
        """
        if self.position.update >= self.stage.updates:
            self._next_stage()
        started = time.perf_counter()
        stage, position = self.stage, self.position
        data = self._images(self.p_data)
        kind = self._draw(999_961)
        translated = kind < stage.translated
        spoil = not translated and kind < stage.translated + stage.spoilt
        halvings = 0 if translated else self._halvings()
        pgd = self._translation() if translated else self._pgd()
        start = spoilt(data, self._generator(999_949)) if spoil else self._images(self.p_0)
        if spoil:
            pgd = replace(pgd, steps=int(self._draw(999_931) * (1 + pgd.steps // 3)))
        attacked = self._attack(start, pgd, halvings, translated)
        loss, (r1, r2), logits = self._losses(data, attacked, halvings)
        slopes = [p.grad for p in self.model.parameters() if p.grad is not None]
        length = torch.nn.utils.get_total_norm(slopes)
        finite = torch.isfinite(loss + length.cpu())
        if not finite or loss > DIVERGED:
            found = f"{float(loss):.0f}" if finite else "not finite"
            more = "" if self.recipe.clip else ", clip = 1.5"
            raise TrainingError(
                f"the loss is {found} at update {position.update} of stage {position.stage}; "
                "resume from the last checkpoint, or start again where there is none yet, with "
                f"a lower learning_rate{more} or a higher r1"
            )
        if self.recipe.clip:
            self._shorten(length)
        self.optimizer.step()
        self._average()
        travel = l2_norm(attacked - start).mean() / max(pgd.travel, 1e-12)
        report = Report(
            stage=position.stage,
            update=position.update,
            k=position.k,
            halvings=halvings,
            translated=translated,
            spoilt=spoil,
            loss=float(loss),
            r1=float(r1),
            r2=float(r2),
            auc=float(auc(*logits)),
            travel=float(travel) if pgd.steps else float("nan"),
            data_logit=float(logits[0].mean()),
            attacked_logit=float(logits[1].mean()),
            seconds=time.perf_counter() - started,
        )
        self._advance(stage, report)
        return report

    def batch(self) -> tuple[Tensor, Tensor]:
        """p_data and p_0 images of the next update, (N,3,H,W) float32 in [0,1] each."""
        return self._images(self.p_data), self._images(self.p_0)

    def _images(self, mix: Mix) -> Tensor:
        """(N,3,H,W) float32 in [0,1]: this update's images of one side."""
        return mix.batch(self.position.total_updates, self.stage.batch_size, self.device)

    def _use(self, model: EnergyModel, ema: EnergyModel) -> None:
        self.model = model.on(self.device)
        self.ema = ema.on(self.device)
        self.ema.requires_grad_(False)
        self._replay = Replay(self.device)
        self._objectives = Objectives(self.model, self._logit, self._replay)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=self.stage.learning_rate, betas=self.recipe.betas
        )
        data, seed = self.recipe.data, self.recipe.seed
        self.p_data = self._mix(data.p_data, data.augment_p_data, 2 * seed)
        self.p_0 = self._mix(data.p_0, data.augment_p_0, 2 * seed + 1)

    def _mix(self, sources: tuple[Source, ...], augment: Augment, seed: int) -> Mix:
        size, square, eyes = self.stage.size, FaceSquare.of(self.recipe), self.recipe.face_eyes
        sets = [
            load_images(s, self.data_root, size, self.cache, square=square, eyes=eyes)
            for s in sources
        ]
        return Mix(sets, [s.weight for s in sources], augment, seed)

    def _next_stage(self) -> None:
        old = self.recipe.network_at(self.position.stage)
        self.position.stage += 1
        new = self.recipe.network_at(self.position.stage)
        self.position.update = self.position.k_update = 0
        self.position.k = self.stage.k_start
        self.position.aucs = []
        model, ema = self.model, self.ema
        if new.size > old.size:
            model, ema = grown(model, ema, new, self.recipe.seed + self.position.stage)
        self._use(model, ema)

    def _generator(self, salt: int, device: torch.device | str = "cpu") -> torch.Generator:
        """Randomness of one purpose for this update, the same however often the run was resumed."""
        seed = (self.recipe.seed + 1) * salt + self.position.total_updates
        return torch.Generator(device).manual_seed(seed)

    def _draw(self, salt: int) -> float:
        """A number in [0,1) for this update."""
        return float(torch.rand((), generator=self._generator(salt)))

    def _pgd(self) -> PGD:
        """This update's attack of K steps, bent as the samples' moves are, or plain."""
        pgd = PGD(steps=self.position.k, step_size=1, decay=self.recipe.decay)
        length = self.recipe.step_size_at(self.position.stage)
        if pgd.steps:
            length *= pgd.steps / pgd.travel
        pgd = replace(pgd, step_size=length)
        if self._draw(999_979) >= self.recipe.as_sampled:
            return pgd
        sampled = self._translation()
        short = replace(sampled, steps=pgd.steps, step_size=length)
        return replace(short, smooth=0.0, exposure=1.0, burning=0.0, flatten=0.0, despeckle=0.0)

    def _translation(self) -> PGD:
        size = self.stage.size
        return own_pgd(self.recipe.descent_at(self.position.stage), size, size)

    def _halvings(self) -> int:
        """Drawn for this update from the shares of the stage."""
        left = self._draw(999_983)
        for halvings, share in enumerate(self.stage.coarse, 1):
            left -= share
            if left < 0:
                return halvings
        return 0

    def _logit(self, x: Tensor, halvings: int, member: int | None = None) -> Tensor:
        with autocast(self.device, self.dtype):
            return self.model.logit(x, halvings, member)

    def _energy(self, x: Tensor, halvings: int, member: int | None = None) -> Tensor:
        return -self._logit(x, halvings, member)

    def _attack(self, start: Tensor, pgd: PGD, halvings: int, translated: bool) -> Tensor:
        whole = self.recipe.descent_at(self.position.stage)

        def away(move: int) -> int:
            return whole.halvings(move) if translated else halvings

        guide = seen_from(
            self._energy,
            away,
            self.model.config.members,
            mirrored=translated and whole.mirrored,
            together=translated and whole.together,
        )
        energy = SeenFrom(self._energy, halvings)
        self.model.requires_grad_(False)  # saves the backward pass to the weights
        try:
            return attack(energy, start, pgd, guide=guide, run=self._replay)
        finally:
            self.model.requires_grad_(True)

    def _noisy(self, x: Tensor, salt: int) -> Tensor:
        """(N,3,H,W) with the stage's noise, each image with a sigma of its own."""
        if not self.stage.noise:
            return x
        generator = self._generator(salt, x.device)
        sigma = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) * self.stage.noise
        return x + sigma * torch.randn(x.shape, generator=generator, device=x.device)

    def _losses(
        self, data: Tensor, attacked: Tensor, halvings: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The binary loss, both penalties and both sides' logits; slopes are on the weights."""
        self.optimizer.zero_grad(set_to_none=True)
        seen = self._noisy(data, 999_959), self._noisy(attacked, 999_953)
        loss, *logits = self._objectives.binary(halvings, *seen)
        stage = self.position.stage
        r1 = self._penalty(self.recipe.r1_at(stage), data, halvings)
        r2 = self._penalty(self.recipe.r2_at(stage), attacked, halvings)
        return loss.cpu(), (r1, r2), (logits[0], logits[1])

    def _penalty(self, weight: float, x: Tensor, halvings: int) -> Tensor:
        """Add the slopes of the lazy penalty; its value, NaN on updates without it."""
        every = self.recipe.r1_every
        if weight == 0 or self.position.update % every:
            return torch.full((), float("nan"))
        return self._objectives.steepness(halvings, weight * every, x).cpu()

    def _shorten(self, length: Tensor) -> None:
        """Bring a gradient of unusual length down to `Recipe.clip` times the usual one."""
        forget, state = self.recipe.betas[1], self.optimizer.state
        learning = [p for p in self.model.parameters() if p.grad is not None]
        squares = [
            state[p]["exp_avg_sq"].sum() / (1 - forget ** float(state[p]["step"]))
            for p in learning
            if p in state
        ]
        if squares:
            usual = torch.stack(squares).sum().sqrt()
            share = (self.recipe.clip * usual / length.clamp_min(TINY)).clamp_max(1.0)
            for weight in learning:
                cast("Tensor", weight.grad).mul_(share)

    @torch.no_grad()
    def _average(self) -> None:
        done = self.position.total_updates
        decay = min(self.recipe.ema, (1 + done) / (10 + done))
        for mean, value in zip(self.ema.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def _advance(self, stage: Stage, report: Report) -> None:
        position = self.position
        position.update += 1
        position.total_updates += 1
        position.total_images += stage.batch_size
        position.seconds += report.seconds
        if report.halvings or report.translated or report.spoilt:
            return  # K follows what the whole network can do
        position.k_update += 1
        position.aucs = [*position.aucs, report.auc][-stage.auc_window :]
        full = len(position.aucs) == stage.auc_window
        mean = sum(position.aucs) / len(position.aucs)
        passed = (full and mean > stage.auc) or position.k_update >= stage.budget
        if full and mean < stage.auc_floor and position.k > 1:
            self._turn_to(position.k - 1)
        elif passed and position.k < stage.k_max:
            self._turn_to(position.k + 1)

    def _turn_to(self, k: int) -> None:
        self.position.k = k
        self.position.k_update = 0
        self.position.aucs = []
