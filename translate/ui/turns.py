"""Translators whose walks take turns on the device, step by step."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import torch

from translate.domain import Domain
from translate.energy import EnergyModel
from translate.mixture import Mixture
from translate.options import DEFAULTS, Options
from translate.pgd import Step
from translate.translator import Translator
from translate.ui.zero import on_gpu
from translate.view import View

_turn = threading.Lock()
"""Held for one step: the device does one thing at a time, however many threads serve requests,
and a long batch lets others in between its steps."""
_loaded: dict[str, TranslatorInTurns] = {}
"""By name of the domain. Translators are pickled by name (see `on_gpu`)."""


class InTurns(Translator):
    """Each step waits for its turn; nothing is held between steps. States are on the CPU."""

    def descend(
        self,
        seen: View,
        options: Options = DEFAULTS,
        *,
        measured: bool = True,
    ) -> Iterator[tuple[Step, bool]]:
        """See `Translator.descend`."""
        with closing(_descend(self, seen, options, measured)) as steps:
            while True:
                with _turn:
                    state = next(steps, None)
                if state is None:
                    return
                yield state


class TranslatorInTurns(InTurns):
    """One domain."""

    def __init__(
        self, domain: Domain, model: EnergyModel, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__(domain, model, device, dtype)
        _loaded[domain.name] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.domain.name,)


class MixtureInTurns(InTurns, Mixture):
    """Two domains."""

    def __reduce__(self) -> tuple[Any, ...]:
        return MixtureInTurns.of, (_find(self.domain.name), self.second, self.share)


def finish() -> None:
    """Let the step in progress end and no other begin: a process must not end inside one."""
    _turn.acquire()


def _find(name: str) -> TranslatorInTurns:
    return _loaded[name]


@on_gpu
def _descend(
    translator: InTurns,
    seen: View,
    options: Options,
    measured: bool,
) -> Generator[tuple[Step, bool]]:
    for step, last in Translator.descend(translator, seen, options, measured=measured):
        tensors = [t.cpu() for t in (step.x, step.energy, step.distance, step.active)]
        yield Step(step.index, *tensors), last
