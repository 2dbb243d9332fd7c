"""What a training run says of each update."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one update measured.

    Attributes:
        stage, update, k: where the run stands.
        halvings: how far off the network looked from, see `EnergyModel.logit`.
        translated, spoilt: whether the attack was a whole translation, or one on targets with
            something wrong in them, see `Stage`.
        loss: binary loss.
        r1, r2: ½·E‖∇f‖² of data and of attacked images at the stage's resolution, NaN on updates
            without it.
        auc: data against attacked images.
        travel: mean distance of the attack / summed length of its moves; NaN at K = 0. Falling
            travel with rising AUC means that the network has learned to make the attack bounce.
        data_logit, attacked_logit: means.
        seconds: that the update took.
    """

    stage: int
    update: int
    k: int
    halvings: int
    translated: bool
    spoilt: bool
    loss: float
    r1: float
    r2: float
    auc: float
    travel: float
    data_logit: float
    attacked_logit: float
    seconds: float
