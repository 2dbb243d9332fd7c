"""The page in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import EXAMPLES, pixels
from tests.site import Site, run_site
from translate import Options, Translator
from translate.hub import open_domain

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# Words whose colour is too near to the first opaque colour behind them.
CONTRAST = """() => {
  const parse = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true}) ||
        element.closest("script, style, button[disabled], .caption-label")) continue;
    const style = getComputedStyle(element);
    const colour = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(colour), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(text + " " + (a + 0.05) / (b + 0.05));
  }
  return weak;
}"""
WAIT_MS = 120_000  # far more than needed: nothing here is timed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    page = open_page(browser, site)
    yield page
    page.context.close()


def open_page(
    browser: Browser, site: Site, width: int = 1280, height: int = 900, scheme: Any = "light"
) -> Page:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    page = context.new_page()
    page.goto(site.url)
    page.wait_for_selector("#go")
    return page


def give(page: Page, photo: Path) -> None:
    """Upload, and wait until it is shown."""
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#photo img")


def choose_slow(page: Page) -> None:
    """Take the domain that leaves time to watch; see `slow_domain`."""
    page.locator("#domain label").nth(2).click()
    expect(page.locator("#domain input").nth(2)).to_be_checked()


def translate(page: Page) -> None:
    page.click("#go")
    page.wait_for_selector("#take:visible")
    expect(page.locator("#go")).to_be_enabled()


def take(page: Page, folder: Path) -> Path:
    """Download what is shown."""
    expect(page.locator("#take")).to_be_enabled()
    with page.expect_download() as waiting:
        page.click("#take")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def look(page: Page, view: str) -> None:
    """Choose a view, and wait until it is shown."""
    picture = page.locator("#compare img").last
    before = str(picture.get_attribute("src"))
    page.get_by_label(view).check()
    expect(picture).not_to_have_attribute("src", before)


def slide(page: Page, value: float) -> None:
    box = page.locator("#strength input[type=number]")
    box.fill(str(value))
    box.press("Enter")


def fixed_strength(page: Page, value: float) -> None:
    slide(page, value)
    expect(page.locator("#auto input")).not_to_be_checked()


def advanced(page: Page, label: str, value: str) -> None:
    """Type as a person does: a field that is just being made loses its value."""
    page.click("#advanced button")
    field = page.get_by_label(label, exact=True)
    expect(field).to_be_visible()
    page.wait_for_timeout(500)
    field.click()
    field.press("ControlOrMeta+a")
    field.press_sequentially(value)
    field.press("Tab")
    page.wait_for_timeout(500)
    expect(field).to_have_value(value)
    page.click("#advanced button")  # closed again, for the next


def settings(path: Path) -> dict[str, object]:
    with Image.open(path) as image:
        return json.loads(image.text["translate"])


def test_upload_watch_compare_download(
    page: Page, slow_domain: Path, photo: Path, tmp_path: Path
) -> None:
    """Frames change, slider and download appear, and the file is the Python API's result."""
    choose_slow(page)
    advanced(page, "Steps", "200")
    advanced(page, "Step size", "0.02")
    seen = page.evaluate_handle(
        """() => { const seen = new Set();
        new MutationObserver(() => {
          const image = document.querySelector('#stage img');
          if (image) seen.add(image.src + image.alt);
        }).observe(document.body, {subtree: true, childList: true, attributes: true});
        return seen; }"""
    )
    fixed_strength(page, 1)
    give(page, photo)
    translate(page)
    assert seen.evaluate("seen => seen.size") >= 2
    expect(page.locator("#compare img")).to_have_count(2)
    expect(page.locator("#stage svg[role=img]")).to_be_visible()
    expect(page.locator("#words")).to_contain_text("In 200 small steps the energy fell from")
    file = take(page, tmp_path)
    made = settings(file)
    assert (made["step"], made["strength"], made["step_size"]) == (200, 1, 0.02), made
    assert (made["seed"], made["eps"], made["second"], made["masked"]) == (None, None, None, False)
    expected = Translator.load(str(slow_domain), device="cpu")(
        photo, Options(strength=1.0, steps=200, step_size=0.02)
    )
    np.testing.assert_allclose(pixels(file).astype(int), np.asarray(expected), atol=1)


def test_the_strength_scrubs_through_kept_steps(
    page: Page, site_domains: tuple[Path, Path], photo: Path, tmp_path: Path
) -> None:
    fixed_strength(page, 1)
    give(page, photo)
    translate(page)
    expect(page.locator("#words")).to_contain_text("In 6 small steps")
    slide(page, 0.5)
    expect(page.locator("#words")).to_contain_text("In 3 small steps")
    expect(page.locator("#stage svg")).to_contain_text("step 3")
    file = take(page, tmp_path)
    assert settings(file)["step"] == 3
    frames = list(
        Translator.load(str(site_domains[0]), device="cpu").frames(photo, Options(strength=1.0))
    )
    np.testing.assert_array_equal(pixels(file), np.asarray(frames[3].image))
    slide(page, 0)
    expect(page.locator("#words")).to_contain_text("This is the photo itself")
    np.testing.assert_array_equal(pixels(take(page, tmp_path)), pixels(photo))


def test_the_square_alone_is_shown_and_saved(browser: Browser, tmp_path: Path) -> None:
    """At once, of a run that is over, and the whole photo again after it."""
    folder = tmp_path / "site"
    folder.mkdir()
    with run_site(folder) as own:
        page = open_page(browser, own)
        page.locator("#examples button img").first.click()
        page.wait_for_selector("#take:visible")
        whole = take(page, tmp_path)
        assert settings(whole)["crop_only"] is False
        assert pixels(whole).shape[:2] == (512, 512)
        look(page, "Square only")
        file = take(page, tmp_path / "square")
        look(page, "Whole photo")
        again = take(page, tmp_path / "again")
        page.context.close()
    assert settings(file)["crop_only"] is True
    anime = Translator.load("anime", device="cpu")
    expected = np.asarray(anime(EXAMPLES / "astronaut.jpg", Options(crop_only=True)))
    assert pixels(file).shape == expected.shape
    assert np.abs(pixels(file).astype(int) - expected).mean() < 1
    np.testing.assert_array_equal(pixels(again), pixels(whole))


def test_stop_keeps_the_current_frame(page: Page, photo: Path, tmp_path: Path) -> None:
    choose_slow(page)
    advanced(page, "Steps", "200")
    fixed_strength(page, 1)
    give(page, photo)
    page.click("#go")
    page.wait_for_selector("#stage img")
    page.click("#stop")
    page.wait_for_selector("#take:visible")
    expect(page.locator("#words")).to_contain_text("Stopped at step")
    shown = settings(take(page, tmp_path))
    assert 0 <= int(str(shown["step"])) < 200
    expect(page.locator("#go")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()


def test_an_example_is_one_click_and_its_result_is_kept(page: Page, site: Site) -> None:
    page.get_by_role("tab", name="Translate").wait_for()
    page.locator("#examples button").nth(1).click()
    page.wait_for_selector("#take:visible")
    words = page.inner_text("#words")
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#words")).not_to_have_text(words)
    page.wait_for_selector("#take:visible")


def test_another_domain_brings_examples_that_suit_it(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#examples button")).to_have_count(len(list(EXAMPLES.glob("*.jpg"))))
    page.locator("#domain label").nth(1).click()  # scenes
    expect(page.locator("#examples button")).to_have_count(3)
    page.get_by_role("button", name="Example: temple").click()
    page.wait_for_selector("#take:visible")
    file = take(page, tmp_path)
    assert settings(file)["domain"] == "scenes"
    assert file.name == "temple-scenes.png"


def test_a_bad_file_gets_one_sentence(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "holiday.jpg"
    bad.write_bytes(b"no picture")
    page.set_input_files("#photo input[type=file]", bad)
    page.wait_for_timeout(1000)  # there is nothing to see: the browser cannot draw it either
    page.click("#go")
    expect(page.get_by_text("Cannot read holiday.jpg")).to_be_visible()
    expect(page.locator("#go")).to_be_enabled()
    assert "Traceback" not in page.content()


def test_a_full_queue_is_said_and_the_page_stays_of_use(page: Page, photo: Path) -> None:
    give(page, photo)
    full = {"detail": "Queue is full. Max size is 64 and size is 64."}
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, json=full))
    page.click("#go")
    expect(page.get_by_role("alert").get_by_text("The server is busy")).to_be_visible()
    expect(page.locator("#go")).to_be_enabled()
    page.unroute("**/queue/join*")
    translate(page)


def test_translate_without_a_photo_says_so(page: Page) -> None:
    page.click("#go")
    expect(page.get_by_text("Choose a photo first.")).to_be_visible()
    expect(page.locator("#go")).to_be_enabled()


def test_a_rotated_photo_comes_out_upright(page: Page, tmp_path: Path) -> None:
    picture = Image.fromarray(np.full((40, 80, 3), (200, 60, 60), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.jpg", exif=exif)
    fixed_strength(page, 1)
    give(page, tmp_path / "turned.jpg")
    translate(page)
    assert pixels(take(page, tmp_path)).shape == (80, 40, 3)


def test_a_close_up_becomes_anime_up_to_its_borders(browser: Browser, tmp_path: Path) -> None:
    """With the bundled domain, whose square around such a face reaches beyond the photo."""
    close = Image.open(EXAMPLES / "astronaut.jpg").crop((172, 55, 282, 165)).resize((480, 480))
    close.save(tmp_path / "me.png")
    folder = tmp_path / "site"
    folder.mkdir()
    steps = open_domain("anime")[0].pgd.steps
    with run_site(folder) as own:
        page = open_page(browser, own)
        fixed_strength(page, 1)
        give(page, tmp_path / "me.png")
        translate(page)
        expect(page.locator("#words")).to_contain_text(f"A face was found. In {steps} small steps")
        file = take(page, tmp_path)
        page.context.close()
    assert settings(file)["domain"] == "anime"
    result, source = pixels(file).astype(int), np.asarray(close.convert("RGB")).astype(int)
    expected = Translator.load("anime", device="cpu")(tmp_path / "me.png", Options(strength=1.0))
    assert np.abs(result - np.asarray(expected)).mean() < 1
    changed = (result != source).any(axis=2)
    assert all(edge.mean() > 0.2 for edge in (changed[-1], changed[:, 0], changed[:, -1]))


def test_transparency_is_kept(page: Page, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 255, (50, 60, 4), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "clear.png")
    fixed_strength(page, 1)
    give(page, tmp_path / "clear.png")
    translate(page)
    out = pixels(take(page, tmp_path))
    np.testing.assert_array_equal(out[..., 3], values[..., 3])
    assert (out[..., :3] != values[..., :3]).any()


def test_a_painted_region_is_all_that_changes(page: Page, tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "noise.png")
    fixed_strength(page, 1)
    give(page, tmp_path / "noise.png")
    page.click("#advanced button")
    page.get_by_label("Change only a part").check()
    canvas = page.locator("#brush canvas").first
    canvas.wait_for()
    page.wait_for_timeout(2000)  # the editor fits its picture to the page first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 15, y)
    page.mouse.down()
    page.mouse.move(x + 15, y + 5, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)
    translate(page)
    file = take(page, tmp_path)
    assert settings(file)["masked"] is True
    changed = (pixels(file) != values).any(axis=2)
    assert 0 < changed.mean() < 0.5
    assert changed[100:200, 130:270].any()
    assert not changed[:20].any()


def test_two_users_at_once_each_get_their_own(
    browser: Browser, site: Site, site_domains: tuple[Path, Path], tmp_path: Path
) -> None:
    translator = Translator.load(str(site_domains[0]), device="cpu")
    pages, photos = [], []
    for number in range(2):
        values = np.random.default_rng(number).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / "same.png"
        Image.fromarray(values).save(path)
        page = open_page(browser, site)
        fixed_strength(page, 1)
        give(page, path)
        pages.append(page)
        photos.append(path)
    for page in pages:
        page.click("#go")
    for page, path in zip(pages, photos, strict=True):
        page.wait_for_selector("#take:visible")
        out = take(page, path.parent)
        expected = translator(path, Options(strength=1.0))
        np.testing.assert_array_equal(pixels(out), np.asarray(expected))
    slide(pages[0], 0)
    expect(pages[0].locator("#words")).to_contain_text("This is the photo itself")
    expect(pages[1].locator("#words")).to_contain_text("In 6 small steps")
    for page in pages:
        page.context.close()


def test_leaving_the_page_frees_the_worker(browser: Browser, site: Site, photo: Path) -> None:
    left = open_page(browser, site)
    choose_slow(left)
    advanced(left, "Steps", "200")
    fixed_strength(left, 1)
    give(left, photo)
    left.click("#go")
    left.wait_for_selector("#stage img")
    left.context.close()
    page = open_page(browser, site)  # would wait in the queue for ever if the worker were held
    give(page, photo)
    translate(page)
    page.context.close()


def test_a_reload_in_the_middle_of_a_run_frees_the_worker(page: Page, photo: Path) -> None:
    choose_slow(page)
    advanced(page, "Steps", "200")
    give(page, photo)
    page.click("#go")
    page.wait_for_selector("#stage img")
    page.reload()
    page.wait_for_selector("#go")
    expect(page.locator("#take")).to_be_hidden()
    give(page, photo)
    translate(page)
    expect(page.locator("#words")).to_contain_text("In 6 small steps")


@pytest.mark.parametrize("width", [360, 390])
def test_the_page_fits_a_phone(browser: Browser, site: Site, photo: Path, width: int) -> None:
    page = open_page(browser, site, width, 800)
    give(page, photo)
    translate(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_a_domain_says_whether_its_walks_end_early(page: Page) -> None:
    """`auto` is ticked with the domain, in both tabs, and may be taken off."""
    ticked = page.locator("#auto input")
    expect(ticked).not_to_be_checked()
    page.locator("#domain label", has_text="Ending early").click()
    expect(ticked).to_be_checked()
    fixed_strength(page, 1)
    page.locator("#domain label", has_text="Ending early").click()
    page.locator("#domain label", has_text="Anime").click()
    expect(ticked).not_to_be_checked()
    page.get_by_role("tab", name="Batch").click()
    ticked = page.get_by_label("auto", exact=True).locator("visible=true")
    expect(ticked).not_to_be_checked()
    page.get_by_label("Domain", exact=True).locator("visible=true").click()
    page.get_by_role("option", name="Ending early").click()
    expect(ticked).to_be_checked()


def test_where_one_domain_ended_is_no_wish_for_the_next(page: Page) -> None:
    """After a walk that ended early the slider says where; a domain chosen then walks to 1."""
    page.locator("#domain label", has_text="Cartoon").click()
    page.locator("#auto input").check()
    give(page, EXAMPLES / "astronaut.jpg")
    translate(page)
    box = page.locator("#strength input[type=number]")
    assert 0.2 < float(box.input_value()) < 1
    page.locator("#domain label", has_text="Anime").click()
    expect(page.locator("#auto input")).not_to_be_checked()
    expect(box).to_have_value("1")
    slide(page, 0.5)
    page.locator("#domain label", has_text="becomes a cat").click()
    page.wait_for_timeout(500)
    expect(box).to_have_value("0.5")  # a wish stays


def test_everything_is_reached_by_keyboard(page: Page, photo: Path) -> None:
    give(page, photo)
    page.get_by_role("tab", name="Translate").focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.closest('[id]')?.id")
        )
    inside = {
        name: page.evaluate(
            """([name, ids]) => ids.some(id => id && (id === name ||
            document.getElementById(name)?.contains(document.getElementById(id))))""",
            [name, list(reached)],
        )
        for name in ("examples", "domain", "go", "strength", "auto", "advanced")
    }
    assert all(inside.values()), inside


def test_before_and_after_are_compared_by_keys(page: Page, photo: Path) -> None:
    fixed_strength(page, 1)
    give(page, photo)
    translate(page)
    handle = page.get_by_role("slider", name="Before and after")
    handle.focus()
    after = page.locator("#compare img").last
    shares = [50]
    for key in ("ArrowRight", "PageDown", "End", "Home"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        shares.append(int(handle.get_attribute("aria-valuenow") or ""))
        clip = re.findall(r"([\d.]+)%", after.evaluate("image => image.style.clipPath"))
        assert float(clip[-1]) == pytest.approx(shares[-1], abs=3)
    assert 50 < shares[1] <= 56
    assert shares[2] < shares[1] - 15
    assert shares[3] >= 95
    assert shares[4] <= 5
    box, middle = page.locator("#compare").bounding_box(), handle.bounding_box()
    assert box is not None
    assert middle is not None
    page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], middle["y"] + 5, steps=4)
    page.mouse.up()
    expect(handle).to_have_attribute("aria-valuenow", re.compile(r"^(2\d|3\d)$"))


def test_pictures_have_words_for_those_who_do_not_see_them(page: Page, photo: Path) -> None:
    advanced(page, "Steps", "200")
    fixed_strength(page, 1)
    give(page, photo)
    page.click("#go")
    page.wait_for_selector("#stage img")
    assert "Step" in str(page.locator("#stage img").get_attribute("alt"))
    page.wait_for_selector("#take:visible")
    expect(page.locator("#compare img").last).to_have_attribute("alt", re.compile("^After"))
    missing = page.evaluate(
        "[...document.images].filter(i => i.checkVisibility() && !i.alt).map(i => i.outerHTML)"
    )
    assert missing == []
    names = page.locator("#examples button").evaluate_all("all => all.map(b => b.ariaLabel)")
    assert "Example: astronaut" in names


def test_what_has_the_focus_is_framed(page: Page) -> None:
    page.get_by_role("tab", name="Translate").focus()
    bare = []
    for _ in range(30):
        page.keyboard.press("Tab")
        bare += page.evaluate(
            """() => { const here = document.activeElement;
            const framed = [here, here.closest("label")].some(element => element
              && parseFloat(getComputedStyle(element).outlineWidth) >= 2
              && getComputedStyle(element).outlineStyle !== "none");
            return framed || here === document.body ? [] : [here.outerHTML.slice(0, 200)]; }"""
        )
    assert bare == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(
    browser: Browser, site: Site, photo: Path, scheme: str
) -> None:
    """A contrast of 4.5 to 1, as the accessibility guidelines ask of text."""
    page = open_page(browser, site, scheme=scheme)
    give(page, photo)
    translate(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # colours of buttons change slowly
    assert page.evaluate(CONTRAST) == []
    page.context.close()


def test_a_batch_comes_back_as_a_zip(page: Page, photo: Path, tmp_path: Path) -> None:
    packed = tmp_path / "holiday.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photo, "beach/one.png")
        archive.writestr("../../evil.png", photo.read_bytes())
        archive.writestr("notes.txt", "no picture")
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("#files input[type=file]", [packed, photo])
    page.wait_for_timeout(1500)
    page.click("#batch-go")
    page.wait_for_selector("#batch-take:visible")
    expect(page.locator("#batch-words")).to_contain_text("2 translated, 2 failed")
    expect(page.locator("#batch-failed")).to_contain_text("evil.png")
    expect(page.locator("#batch-failed")).to_contain_text("notes.txt")
    with page.expect_download() as waiting:
        page.click("#batch-take")
    waiting.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == ["beach/one.png", "photo.png"]
        with Image.open(io.BytesIO(archive.read("photo.png"))) as image:
            assert image.size == (90, 60)


def test_all_tabs_are_as_wide(page: Page) -> None:
    """An empty tab's page was narrower: it jumped from tab to tab."""
    widths: list[float] = []
    for tab in ("Translate", "Batch", "Explore"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(300)
        box = page.locator(".gradio-container").bounding_box()
        assert box is not None
        widths.append(box["width"])
    assert widths == [widths[0]] * 3


def test_other_tabs_say_that_the_queue_is_full(page: Page, photo: Path) -> None:
    full = {"detail": "Queue is full. Max size is 64 and size is 64."}
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, json=full))
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("#files input[type=file]", [photo])
    page.wait_for_timeout(1500)
    page.click("#batch-go")
    expect(page.locator("#batch-words")).to_contain_text("The server is busy")
    expect(page.locator("#batch-go")).to_be_enabled()
    page.get_by_role("tab", name="Explore").click()
    page.click("#make")
    expect(page.locator("#verdict")).to_contain_text("The server is busy")


def test_explore_shows_where_an_image_lies_and_makes_samples(page: Page) -> None:
    page.get_by_role("tab", name="Explore").click()
    page.set_input_files("#explore-photo input[type=file]", EXAMPLES / "cat.jpg")
    expect(page.locator("#verdict")).to_contain_text("Energy")
    expect(page.locator("#histogram svg")).to_contain_text("this image")
    page.click("#make")
    expect(page.locator("#samples img").first).to_be_visible()
