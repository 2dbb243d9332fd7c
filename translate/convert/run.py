"""Checkpoint + card -> domain folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from translate.calibration import folder_energies, quantiles
from translate.card_parts import Calibration, Descent
from translate.convert.checkpoint import read_state_dict
from translate.convert.readme import model_card
from translate.convert.settings import CardSettings, Foreign
from translate.convert.weights import fit_weights, last_layer
from translate.device import autocast
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, NetworkConfig, describe, read_domain
from translate.energy import EnergyModel, load_energy_model
from translate.errors import InputError, SettingsError
from translate.files import atomic_path

FORMAT = 2  # the first that knows these networks
README_FILE = "README.md"


def convert(
    checkpoint: Path,
    out: Path,
    *,
    arch: Foreign,
    card: CardSettings,
    data: Path | None = None,
    source: Path | None = None,
    device: torch.device,
    dtype: torch.dtype,
    overwrite: bool = False,
) -> Domain:
    """Write `model.safetensors`, `README.md` and, last, `config.json`.

    Args:
        checkpoint: a state dict of `arch`, see `read_state_dict`.
        out: domain folder.
        arch: network of the checkpoint.
        card: texts and settings.
        data: folder of pictures of the domain that it was not trained on, whole squares as in
            training; with `source`, instead of `card.calibration`.
        source: folder of photos as they will be translated.
        device, dtype: to measure with.
        overwrite: replace a domain in `out`.

    Raises:
        InputError: a file cannot be read, or `out` holds a domain already.
        SettingsError: the card does not fit the network, or says nothing about calibration.
        DomainError: the checkpoint is none of `arch`.
    """
    network = _network(card, arch)
    if (data is None) != (source is None):
        raise SettingsError("--data and --source calibrate together; give both folders or neither")
    if data is None and card.calibration is None:
        raise SettingsError(
            "the card has no [calibration]; measure it with --data (pictures of the domain) and "
            "--source (photos), or state 21 quantiles of either's energies in the card"
        )
    _check_out(out, overwrite=overwrite)
    state = read_state_dict(checkpoint)
    weights = fit_weights(state, network, str(checkpoint))
    outputs = len(state[_last_weight(state, network)])
    calibration, metrics = card.calibration, {}
    if data is not None and source is not None:
        calibration, metrics = _measure(weights, network, card, data, source, device, dtype)
    assert calibration is not None
    packed = save(weights, {"format": "pt"})
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    domain = Domain(
        format=FORMAT,
        name=card.name,
        title=card.title,
        summary=card.summary,
        framing=card.framing,
        network=network,
        pgd=Descent(steps=card.steps, step_size=card.step_size),
        calibration=calibration,
        p_data=card.p_data,
        p_0=card.p_0,
        licence=card.licence,
        training={
            "converted_from": {
                "file": checkpoint.name,
                "sha256": digest,
                "outputs": outputs,
                "output_kept": 0,
            }
        },
        metrics=metrics,
        sha256={WEIGHTS_FILE: hashlib.sha256(packed).hexdigest()},
    )
    _write(domain, packed, out)
    return domain


def _network(card: CardSettings, arch: Foreign) -> NetworkConfig:
    try:
        network = card.network(arch)
    except ValidationError as error:
        raise SettingsError(f"card {card.name!r}: {describe(error)}") from None
    if card.framing == "scene" and network.head == "aligned":
        raise SettingsError(
            f"card {card.name!r}: {arch} takes square windows; use framing face or crop"
        )
    return network


def _check_out(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder")
    held = [name for name in (CARD_FILE, WEIGHTS_FILE, README_FILE) if (out / name).exists()]
    if held and not overwrite:
        raise InputError(f"{out} holds {held[0]} already; pass --overwrite or name another folder")


def _measure(
    weights: dict[str, Tensor],
    network: NetworkConfig,
    card: CardSettings,
    data: Path,
    source: Path,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Calibration, dict[str, object]]:
    model = EnergyModel(network)
    model.load_state_dict(weights)
    model.on(device).requires_grad_(False)

    def energy(x: Tensor) -> Tensor:
        with autocast(device, dtype):
            return model.energy(x)

    def energies(folder: Path, *, face: bool) -> Tensor:
        framing = "face" if face else "crop"
        return folder_energies(energy, folder, size=network.size, framing=framing, device=device)

    inside, outside = energies(data, face=False), energies(source, face=card.framing == "face")
    metrics: dict[str, object] = {
        "held_out_data": len(inside),
        "held_out_sources": len(outside),
        "energy_data_mean": round(float(inside.mean()), 3),
        "energy_source_mean": round(float(outside.mean()), 3),
    }
    return Calibration(data=quantiles(inside), source=quantiles(outside)), metrics


def _last_weight(state: dict[str, Tensor], network: NetworkConfig) -> str:
    name = f"{last_layer(network)}.weight"
    return name if name in state else "fc.weight"


def _write(domain: Domain, packed: bytes, out: Path) -> None:
    try:
        with atomic_path(out / WEIGHTS_FILE) as temporary:
            temporary.write_bytes(packed)
        with atomic_path(out / README_FILE) as temporary:
            temporary.write_text(model_card(domain), encoding="utf-8")
        with atomic_path(out / CARD_FILE) as temporary:
            text = json.dumps(domain.model_dump(mode="json"), indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    load_energy_model(read_domain(out).network, out / WEIGHTS_FILE)  # what was written, reads
