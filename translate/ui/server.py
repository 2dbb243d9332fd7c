"""Start the app, serve until a signal comes, leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing

from translate.console import on_signals
from translate.errors import SettingsError
from translate.ui.limits import MAX_UPLOAD_MB, QUEUE, SESSIONS
from translate.ui.sweep import Sweeper, private_folder
from translate.ui.zero import find_spaces


def serve(
    *,
    host: str,
    port: int,
    domains: Sequence[str],
    device: str,
    dtype: str,
    say: Callable[[str], None],
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        host: interface to listen on.
        port: 0 takes a free one.
        domains: names or folders on offer besides the bundled ones; the first is preselected.
        device, dtype: see `translate.translator.Translator.load`.
        say: takes the sentences of the start.

    Raises:
        DomainError: a domain is unknown or damaged.
        DeviceError: the device or dtype is not here.
        SettingsError: the port is taken.
    """
    with private_folder() as folder:
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        find_spaces()
        from starlette.middleware import Middleware

        from translate.ui import looks, page, turns
        from translate.ui.catalog import Catalog
        from translate.ui.guard import Guard
        from translate.ui.studio import Studio

        catalog = Catalog(domains, device=device, dtype=dtype)
        for name in catalog.entries:
            catalog.translator(name)
        blocks = page.build(Studio(catalog)).queue(max_size=QUEUE, api_open=False)
        try:
            _, address, _ = blocks.launch(
                server_name=host,
                server_port=port or None,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                show_error=False,
                footer_links=["api", "settings"],
                run_history=False,
                ssr_mode=False,
                enable_monitoring=False,
                state_session_capacity=SESSIONS,
                max_file_size=f"{MAX_UPLOAD_MB}mb",
                app_kwargs={"middleware": [Middleware(Guard)]},
                theme=looks.theme(),
                css=looks.style(catalog),
                js=looks.JS,
            )
        except OSError as error:
            raise SettingsError(f"cannot listen on {host} port {port} ({error})") from None
        say(f"serving {', '.join(catalog.entries)} on {address} (Ctrl-C ends it)")
        stop = threading.Event()
        with closing(Sweeper(folder)), on_signals(stop.set):
            stop.wait()
        turns.finish()
        blocks.close(verbose=False)
