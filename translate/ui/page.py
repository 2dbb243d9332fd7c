"""The whole page: its head, its tabs, its foot."""

from __future__ import annotations

import gradio as gr

from translate.ui import api, batch_tab, explore_tab, translate_tab
from translate.ui.studio import Studio
from translate.ui.translating import Handlers

HEAD = """# translate
Give a photo and watch it walk into another world, step by step. Keep the moment you like best."""

FOOT = """**How it works.** A small *energy model* of the other world gives every picture one
number, its energy: low for pictures from there, high for others. The photo takes small steps that
lower its own number, and so walks into that world. Nothing is sent anywhere else, and uploads are
deleted after half an hour. Ask before you translate other people."""


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
