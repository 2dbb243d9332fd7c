"""The picture of the page in the README: `python -m tests.picture [docs/web.png]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.conftest import EXAMPLES
from tests.site import run_site
from tests.test_web_browser import CHROMIUM, FLAGS, give, open_page, translate


def main(out: Path, photo: Path = EXAMPLES / "astronaut.jpg") -> None:
    """Translate a photo with the bundled domains and photograph the page, 1280 pixels wide."""
    with (
        tempfile.TemporaryDirectory() as folder,
        run_site(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = open_page(browser, site)
        give(page, photo)
        translate(page)
        page.mouse.move(0, 0)
        page.wait_for_timeout(1500)  # colours of buttons change slowly
        page.screenshot(path=out, full_page=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/web.png"))
