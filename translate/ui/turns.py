"""Translators whose walks take turns on the device, step by step."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from torch import Tensor

from translate.mixture import Mixture
from translate.pgd import Step
from translate.translator import DEFAULTS, Options, Translator

_turn = threading.Lock()
"""Held for one step: the device does one thing at a time, however many threads serve requests,
and a long batch lets others in between its steps."""


class InTurns(Translator):
    """Each step waits for its turn; nothing is held between steps."""

    def descend(
        self, x: Tensor, options: Options = DEFAULTS, mask: Tensor | None = None
    ) -> Iterator[tuple[Step, bool]]:
        """See `Translator.descend`."""
        steps = super().descend(x, options, mask)
        while True:
            with _turn:
                state = next(steps, None)
            if state is None:
                return
            yield state


class TranslatorInTurns(InTurns):
    """One domain."""


class MixtureInTurns(InTurns, Mixture):
    """Two domains."""
