"""`translate convert`: flags and words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from translate.console import Device, Dtype, say

ARCHES = "Network of the checkpoint."
CARDS = "TOML file, or paper-celebahq, paper-afhq-cat, paper-church, paper-cifar10."


def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="PyTorch state dict.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Domain folder to make.")],
    arch: Annotated[Literal["stargan-v2", "resnet50"], typer.Option(help=ARCHES)],
    card: Annotated[str, typer.Option(help=CARDS)],
    data: Annotated[
        Path | None, typer.Option(help="Held-out pictures of the domain, to calibrate with.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="Photos to be translated, to calibrate with.")
    ] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a domain.")] = False,
) -> None:
    """Make a domain of a published checkpoint of the paper's authors."""
    from translate.convert.run import convert as run
    from translate.convert.settings import load_card
    from translate.device import pick_device, pick_dtype

    place = pick_device(device)
    domain = run(
        checkpoint,
        out,
        arch=arch,
        card=load_card(card),
        data=data,
        source=source,
        device=place,
        dtype=pick_dtype(dtype, place),
        overwrite=overwrite,
    )
    calibration = domain.calibration
    if calibration.target >= calibration.source[10]:
        say("note: the domain's energies are not below the photos'; check the card's mean and std")
    print(
        f"{out}: {domain.network.parameters / 1e6:.2f} M parameters; median energy of photos "
        f"{calibration.source[10]:.2f}, of the domain {calibration.target:.2f}"
    )
