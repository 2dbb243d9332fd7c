"""The command `serve`, which `python app.py` runs too: flags and environment of the web app."""

from __future__ import annotations

from typing import Annotated

import typer

from translate.cli_hub import fetched
from translate.console import Dtype, Offline, say

serve_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@serve_app.command()
def serve(
    host: Annotated[
        str, typer.Option(envvar="GRADIO_SERVER_NAME", help="0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="GRADIO_SERVER_PORT", min=0, max=65535, help="0: any free one."),
    ] = 7860,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain",
            "-d",
            envvar="TRANSLATE_DOMAIN",
            help="Name, folder or org/repo[@revision] to preselect; repeatable. "
            "The bundled ones are always there.",
        ),
    ] = None,
    offline: Offline = False,
    device: Annotated[
        str, typer.Option(envvar="TRANSLATE_DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
    ] = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Serve the web app."""
    from translate.ui.server import serve as run

    folders = [fetched(name, None, offline) for name in domain or ()]
    run(host=host, port=port, domains=folders, device=device, dtype=dtype, say=say)
