"""The whole page: tabs, words, looks."""

from __future__ import annotations

import base64
import mimetypes

import gradio as gr
from gradio.themes import Base, Soft

from translate.ui import api, batch_tab, explore_tab, translate_tab
from translate.ui.catalog import Catalog
from translate.ui.studio import Studio
from translate.ui.translating import Handlers

HEAD = """# translate
A photo goes in; the same photo from another world comes out: pose, hair colour, glasses and
background stay its own."""

FOOT = """How it works: a small *energy model* of the other world gives every picture one number,
its energy: low for pictures from there, high for others. The photo then takes small steps that
lower its own number, and so walks into that world. Nothing is sent anywhere else, and uploads are
deleted after half an hour. It makes drawings of the person in the photo: ask before you translate
other people."""

CSS = """
.gradio-container {max-width: 1240px !important; margin: 0 auto !important;}
#head h1 {margin-bottom: .1em;}
#foot {color: var(--body-text-color-subdued); font-size: var(--text-sm); max-width: 75ch;}
.stage {margin: 0; text-align: center;}
.stage img {display: block; width: 100%; max-height: 560px; object-fit: contain;
  border-radius: var(--radius-lg); background: var(--background-fill-secondary);}
.stage figcaption {padding: .4em 0 0; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums;}
.stage.empty {display: flex; flex-direction: column; justify-content: center; gap: .3em;
  min-height: 300px; padding: 1em; border: 2px dashed var(--border-color-primary);
  border-radius: var(--radius-lg); color: var(--body-text-color-subdued);}
.chart {display: block; width: 100%; height: auto; margin-top: .6em;}
.chart text {font-size: 13px; fill: var(--body-text-color-subdued); font-family: var(--font);}
.chart .line {fill: none; stroke: var(--color-accent); stroke-width: 3; stroke-linejoin: round;}
.chart .area {fill: var(--color-accent); opacity: .13;}
.chart .dot {fill: var(--color-accent); stroke: var(--background-fill-primary); stroke-width: 2;}
.chart .goal {stroke: var(--body-text-color-subdued); stroke-dasharray: 5 5;}
.chart .data {fill: var(--color-accent); opacity: .45;}
.chart .source {fill: var(--body-text-color-subdued); opacity: .35;}
.chart .mark {stroke: var(--body-text-color); stroke-width: 2.5;}
.chart .mine {fill: var(--body-text-color); font-weight: 600;}
.chart .dataword {fill: var(--color-accent);}
#examples .grid-container {grid-template-columns: repeat(5, minmax(0, 1fr)) !important; gap: 6px;
  padding: 6px; margin: 0;}
#examples .caption-label {font-size: 11px; padding: 0 4px;}
#view {justify-content: center;}
#words p {font-size: var(--text-lg);}
@media (max-width: 760px) {.chart text {font-size: 24px;} .chart .middle {display: none;}}
#domain label {align-items: center; flex: 1 1 100%;}
#domain label span {white-space: normal;}
"""


def build(studio: Studio) -> gr.Blocks:
    """The page as Gradio's Blocks."""
    with gr.Blocks(title="translate", analytics_enabled=False, fill_width=False) as page:
        gr.Markdown(HEAD, elem_id="head")
        with gr.Tab("Translate", id="translate"):
            translate_tab.build(studio)
        with gr.Tab("Batch", id="batch"):
            batch_tab.build(studio)
        with gr.Tab("Explore", id="explore"):
            explore_tab.build(studio)
        gr.Markdown(FOOT, elem_id="foot")
        api.build(studio)
        page.unload(Handlers(studio).leave)
    return page


def style(catalog: Catalog) -> str:
    """CSS of the page, with each domain's thumbnail before its choice."""
    rules = [CSS]
    for number, entry in enumerate(catalog, start=1):
        if entry.thumbnail is None:
            continue
        kind = mimetypes.guess_type(entry.thumbnail.name)[0] or "image/png"
        data = base64.b64encode(entry.thumbnail.read_bytes()).decode()
        rules.append(
            f"#domain label:nth-of-type({number})::before {{content: ''; flex: none; width: 56px; "
            "height: 56px; margin-right: 8px; border-radius: 8px; "
            f"background: url(data:{kind};base64,{data}) center / cover;}}"
        )
    return "\n".join(rules)


def theme() -> Base:
    """Gradio's soft look with fonts of the system: no page is asked for fonts elsewhere."""
    fonts = ["ui-sans-serif", "system-ui", "sans-serif"]
    return Soft(
        primary_hue="rose",
        secondary_hue="rose",
        neutral_hue="slate",
        font=fonts,
        font_mono=["ui-monospace", "monospace"],
    ).set(
        block_label_background_fill="*background_fill_primary",
        block_label_background_fill_dark="*background_fill_secondary",
        block_label_text_color="*body_text_color_subdued",
        block_label_text_color_dark="*body_text_color_subdued",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
    )
