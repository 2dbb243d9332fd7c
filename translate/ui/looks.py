"""How the page looks: style sheet, colours, and words for those who do not see it."""

from __future__ import annotations

import base64
import mimetypes

from gradio.themes import Base, Soft

from translate.ui.catalog import Catalog

CSS = """
.dark {--color-accent: var(--primary-500);}
.gradio-container {width: 100%; max-width: 1240px !important; margin: 0 auto !important;}
.gradio-container > main {width: 100%;}
#head h1 {margin-bottom: .1em;}
#foot p {max-width: 110ch;}
h3 {margin-top: .8em !important;}
#foot p {color: var(--body-text-color-subdued); font-size: var(--text-sm);}
:is(button, a, input, textarea, summary, [role=slider]):focus-visible,
label:has(> input:focus-visible) {
  outline: 3px solid var(--color-accent) !important; outline-offset: 2px;}
:is(#stage, #histogram, #batch-failed) .html-container {padding: 0;}
.stage {margin: 0; text-align: center;}
.stage img {display: block; width: 100%; height: min(480px, 70vh); object-fit: contain;
  border-radius: var(--radius-lg); background: var(--background-fill-secondary);}
.stage figcaption {padding: .4em 0 0; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums;}
.stage.empty {display: flex; flex-direction: column; justify-content: center; gap: .3em;
  min-height: 240px; padding: 1em; border: 2px dashed var(--border-color-primary);
  border-radius: var(--radius-lg); color: var(--body-text-color-subdued);}
#stage .stage.empty {min-height: 480px;}
.stage.problem {border: 2px solid var(--color-accent); color: var(--body-text-color);}
.chart {display: block; width: 100%; height: auto; margin-top: .6em;}
.chart text {font-size: 13px; fill: var(--body-text-color-subdued); font-family: var(--font);}
.chart .line {fill: none; stroke: var(--color-accent); stroke-width: 3; stroke-linejoin: round;}
.chart .area {fill: var(--color-accent); opacity: .13;}
.chart .dot {fill: var(--color-accent); stroke: var(--background-fill-primary); stroke-width: 2;}
.chart .goal {stroke: var(--body-text-color-subdued); stroke-dasharray: 5 5;}
.chart .data {fill: var(--color-accent); opacity: .45;}
.chart .source {fill: var(--body-text-color-subdued); opacity: .35;}
.chart .mark {stroke: var(--body-text-color); stroke-width: 2.5;}
.chart .mine {fill: var(--body-text-color); font-weight: 600; dominant-baseline: hanging;}
.chart .dataword {fill: var(--color-accent);}
#examples, #examples .grid-wrap {height: auto !important; min-height: 0;}
#examples .grid-container {grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)) !important;
  gap: 8px; padding: 32px 10px 10px; margin: 0;}
#examples .thumbnail-item {aspect-ratio: 1;}
:is(#examples, #samples) .caption-label {font-size: 11px; padding: 0 4px;}
#compare .icon-wrap {background: var(--background-fill-primary) !important;
  border: 2px solid var(--color-accent) !important;}
#compare .icon:is(.left, .right) {color: var(--body-text-color) !important;}
#view {justify-content: center;}
#words:not(:has(p)) {display: none;}
#words p {font-size: var(--text-lg);}
input[type=range]::-webkit-slider-thumb {border: 2px solid var(--slider-color);}
input[type=range]::-moz-range-thumb {border: 2px solid var(--slider-color);}
#domain .wrap {display: grid; grid-template-columns: repeat(auto-fill, minmax(225px, 1fr));
  gap: 8px;}
#domain label {align-items: center; gap: 10px; padding: 8px; border-radius: var(--radius-lg);}
#domain label span {margin: 0; white-space: pre-line; line-height: 1.35;
  font-size: var(--text-sm);}
#domain label span::first-line {font-weight: 600; font-size: var(--text-md);}
#domain label input {position: absolute; opacity: 0;}
#domain label.selected {box-shadow: 0 0 0 1px var(--color-accent);}
#domain label::before {content: ''; flex: none; width: 64px; height: 64px;
  border-radius: var(--radius-md); background: var(--border-color-primary) center / cover;}
img[data-broken] {padding-top: 48px;}
.failures {margin: .5em 0 0; padding-left: 1.2em; list-style: disc;}
.failures li {margin: .3em 0; overflow-wrap: anywhere;}
@media (max-width: 760px) {.chart text {font-size: 24px;} .chart .middle {display: none;}
  #stage .stage.empty {min-height: 200px;} .strength .form {flex-wrap: wrap;}
  #strength {flex-basis: 100%;}}
"""

# Words for those who do not see the page, where Gradio has none of its own; and for a picture that
# the browser cannot draw.
JS = """() => {
  const say = (element, name, words) => {
    if (element.getAttribute(name) !== words) element.setAttribute(name, words);
  };
  const tell = () => {
    document.querySelectorAll("#compare img").forEach((image, index) =>
      say(image, "alt", index ? "After: the translated photo" : "Before: the photo"));
    document.querySelectorAll("#compare [data-testid=slider]").forEach(reach);
    document.querySelectorAll("#examples button:has(img)").forEach(button =>
      say(button, "aria-label", "Example: " + button.querySelector("img").alt));
    document.querySelectorAll("#photo img, #explore-photo img").forEach(image => {
      if (image.dataset.broken !== image.src) delete image.dataset.broken;
      say(image, "alt", image.dataset.broken
        ? "The browser cannot show this file." : "The photo that was given");
    });
  };
  // The handle between before and after, for keys: Gradio's moves by the mouse alone.
  const slide = (handle, by) => {
    const box = handle.getBoundingClientRect();
    const from = {x: box.x + box.width / 2, y: box.y + box.height / 2};
    const fire = (target, type, x) => target.dispatchEvent(new MouseEvent(type, {
      view: window, bubbles: true, cancelable: true, clientX: x, clientY: from.y}));
    fire(handle, "mousedown", from.x);
    fire(window, "mousemove", from.x + by);
    fire(window, "mouseup", from.x + by);
  };
  const reach = handle => {
    const wrap = handle.parentElement;
    const share = () => {
      const {x, width} = wrap.getBoundingClientRect(), box = handle.getBoundingClientRect();
      return Math.round(100 * (box.x + box.width / 2 - x) / width);
    };
    say(handle, "role", "slider");
    say(handle, "tabindex", "0");
    say(handle, "aria-label", "Before and after: percent of the photo that is shown");
    say(handle, "aria-valuemin", "0");
    say(handle, "aria-valuemax", "100");
    const count = () => say(handle, "aria-valuenow", String(share()));
    count();
    if (handle.onkeydown) return;
    new MutationObserver(count)
      .observe(wrap, {attributes: true, attributeFilter: ["style"], subtree: true});
    handle.onkeydown = event => {
      const width = wrap.getBoundingClientRect().width;
      const by = {ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05,
        PageDown: -0.2, PageUp: 0.2, Home: -1, End: 1}[event.key];
      if (!by) return;
      event.preventDefault();
      slide(handle, by * width);
    };
  };
  document.addEventListener("error", event => {
    if (event.target.tagName !== "IMG") return;
    event.target.dataset.broken = event.target.src;
    tell();
  }, true);
  new MutationObserver(tell).observe(document.body, {childList: true, subtree: true});
  tell();
}"""


def style(catalog: Catalog) -> str:
    """CSS of the page, with each domain's thumbnail before its choice."""
    rules = [CSS]
    for number, entry in enumerate(catalog, start=1):
        if entry.thumbnail is None:
            continue
        kind = mimetypes.guess_type(entry.thumbnail.name)[0] or "image/png"
        data = base64.b64encode(entry.thumbnail.read_bytes()).decode()
        rules.append(
            f"#domain label:nth-of-type({number})::before "
            f"{{background-image: url(data:{kind};base64,{data});}}"
        )
    return "\n".join(rules)


def theme() -> Base:
    """Gradio's soft look with fonts of the system: no page is asked for fonts elsewhere.

    Words have a contrast of 4.5 to 1 or more with what is behind them, frames of fields 3 to 1.
    """
    fonts = ["ui-sans-serif", "system-ui", "sans-serif"]
    return Soft(
        primary_hue="rose",
        secondary_hue="rose",
        neutral_hue="slate",
        font=fonts,
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        color_accent="*primary_700",
        border_color_primary="*neutral_300",
        border_color_primary_dark="*neutral_600",
        block_border_width="1px",
        block_border_width_dark="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_700",
        block_shadow="none",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_label_background_fill="*background_fill_primary",
        block_label_background_fill_dark="*background_fill_secondary",
        block_label_text_color="*body_text_color_subdued",
        block_label_text_color_dark="*body_text_color_subdued",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_label_border_width="1px",
        checkbox_label_border_width_dark="1px",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_600",
        checkbox_label_border_color_selected="*primary_600",
        checkbox_label_border_color_selected_dark="*primary_500",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="*primary_950",
        checkbox_label_text_color_selected="*body_text_color",
        checkbox_label_text_color_selected_dark="*body_text_color",
        checkbox_label_shadow="none",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
    )
