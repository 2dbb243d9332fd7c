"""Web UI and Hugging Face Space entry: upload a photo, watch it change, compare, download."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from translate.allocator import keep_freed_memory
from translate.domain import read_domain
from translate.errors import TranslateError
from translate.hub import bundled_domains, find_domain
from translate.image_io import write_image
from translate.translator import Options, Translator

EXAMPLES = Path(__file__).parent / "examples"
PREVIEW_S = 0.15  # at most one preview in this time

Outputs = tuple[object, object, object, str]


@cache
def translator(domain: str) -> Translator:
    """One model per domain, shared by all requests; it keeps no state between them."""
    return Translator.load(domain)


def translate_photo(
    photo: str | None, domain: str, strength: float, auto: bool
) -> Iterator[Outputs]:
    """Stream the states of one photo: preview, comparison, download, words."""
    if photo is None:
        raise gr.Error("Choose a photo first.", print_exception=False)
    options = Options(strength="auto" if auto else strength)
    try:
        model = translator(domain)
        first = last = None
        shown = 0.0
        for frame in model.frames(photo, options):
            first, last = first or frame, frame
            if time.monotonic() - shown > PREVIEW_S and not frame.last:
                shown = time.monotonic()
                yield frame.image, gr.skip(), None, f"Step {frame.index}, energy {frame.energy:.2f}"
        assert first is not None
        assert last is not None
        result = last.image
        file = Path(tempfile.mkdtemp(prefix="translate-")) / f"{Path(photo).stem}-{domain}.png"
        write_image(result, file, overwrite=True)
    except TranslateError as error:
        raise gr.Error(str(error), print_exception=False) from None
    words = [
        f"Energy {first.energy:.2f} → {last.energy:.2f} in {last.index} steps "
        f"(real {model.domain.title}: {model.domain.calibration.target:.2f}).",
        last.note or "",
        model.remark(first, last) or "",
    ]
    pair = (first.image.convert("RGB"), result.convert("RGB"))
    yield result, pair, str(file), " ".join(word for word in words if word)


def build() -> gr.Blocks:
    """The page."""
    cards = [read_domain(find_domain(name)) for name in bundled_domains()]
    with gr.Blocks(title="Translate", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown("# Translate\nGive a photo, and watch it walk into another domain.")
        with gr.Row():
            with gr.Column():
                photo = gr.Image(
                    label="Photo",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "clipboard", "webcam"],
                )
                domain = gr.Dropdown(
                    [(f"{card.title}: {card.summary}", card.name) for card in cards],
                    value=cards[0].name,
                    label="Domain",
                )
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength")
                auto = gr.Checkbox(True, label="Stop once the photo belongs to the domain")
                with gr.Row():
                    go = gr.Button("Translate", variant="primary")
                    stop = gr.Button("Stop")
                gr.Examples([[str(file)] for file in sorted(EXAMPLES.glob("*.jpg"))], [photo])
            with gr.Column():
                preview = gr.Image(label="Result", interactive=False, format="png")
                words = gr.Markdown()
                compare = gr.ImageSlider(label="Before and after", format="png", interactive=False)
                download = gr.DownloadButton("Download PNG")
        run = go.click(
            translate_photo,
            [photo, domain, strength, auto],
            [preview, compare, download, words],
            api_name="translate",
            concurrency_id="engine",
        )
        stop.click(None, cancels=[run])
    return page


def main() -> None:
    """Serve on the loopback interface unless told otherwise."""
    parser = argparse.ArgumentParser(description="Web UI of translate.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    )
    arguments = parser.parse_args()
    keep_freed_memory()
    build().queue(max_size=64).launch(
        server_name=arguments.host, server_port=arguments.port, max_file_size="30mb"
    )


if __name__ == "__main__":
    main()
