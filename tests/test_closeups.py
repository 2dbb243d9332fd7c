"""Eyes drawn close up after a walk: where they are cut out and put back, and what stays."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.conftest import EXAMPLES, Result, made_by_both, without_closeups
from translate import Options, Translator
from translate.batch.settings import Settings
from translate.card_parts import Closeup, Descent
from translate.closeups import GRAFT, Closeups, grafted
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, read_domain
from translate.energy import EnergyModel
from translate.errors import DomainError, SettingsError
from translate.image_io import read_photo
from translate.mixture import Mixture
from translate.networks.config import NetworkConfig
from translate.squares import put_back, squares
from translate.view import Asked, View, gathered, look, steady

Cli = Callable[..., Result]
EYES = torch.tensor([[[90.0, 110.0, 66.0], [160.0, 100.0, 66.0]]])
SIZE = 64
RADIUS = 33


def radii() -> Tensor:
    """(2,256,256): how far each pixel is from either eye, in pixels."""
    place = torch.arange(256) + 0.5
    return torch.stack([torch.hypot(place - x, (place - y)[:, None]) for x, y, _ in EYES[0]])


def noise(count: int = 1, size: int = 256, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def smooth(count: int = 1, seed: int = 1) -> Tensor:
    """Pictures whose details are much larger than a pixel."""
    return torch.nn.functional.interpolate(noise(count, 8, seed), size=256, mode="bicubic").clamp(
        0, 1
    )


def uphill(x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
    """An energy that falls as a picture gets red, on its left most of all."""
    weight = torch.linspace(2, 0, x.shape[-1])
    return ((1 - x[:, 0]) * weight).mean(dim=(1, 2)) + x[:, 1:].mean(dim=(1, 2, 3))


def closeups(**changes: float) -> Closeups:
    descent = Descent(**{"steps": 8, "step_size": 3.0, "decay": 0.5, **changes})
    return Closeups(energy=uphill, size=SIZE, card=Closeup(side=0.5, pgd=descent))


def test_squares_are_around_the_eyes_and_the_right_one_in_the_mirror() -> None:
    x = torch.zeros(1, 3, 256, 256)
    x[0, 0, 110 - 1 : 110 + 1, 90 - 1 : 90 + 1] = 1  # the left eye's middle
    x[0, 1, 110 - 1 : 110 + 1, 74 - 1 : 74 + 1] = 1  # 16 to the left of it
    x[0, 0, 100 - 1 : 100 + 1, 160 - 1 : 160 + 1] = 1
    x[0, 1, 100 - 1 : 100 + 1, 176 - 1 : 176 + 1] = 1  # 16 to the right
    seen = squares(x, EYES, SIZE)
    assert seen.shape == (2, 3, SIZE, SIZE)
    for each in seen:
        for colour, across in ((0, 0.0), (1, -16.0)):
            weight = each[colour]
            place = torch.arange(SIZE) + 0.5
            middle = [float((weight.sum(dim=d) * place).sum() / weight.sum()) for d in (0, 1)]
            assert middle == pytest.approx([32 + across * SIZE / 66, 32], abs=0.05)


def test_squares_go_back_where_they_were() -> None:
    x = smooth()
    again = put_back(x, squares(x, EYES, SIZE), EYES)
    torch.testing.assert_close(again, x, atol=0.01, rtol=0)
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(2, 3, SIZE, SIZE)
    changed = put_back(x, red, EYES)
    near, far = (radii() < 0.55 * RADIUS - 1).any(dim=0), (radii() >= RADIUS).all(dim=0)
    torch.testing.assert_close(changed[0, :, near], red[0, :, :1, 0].expand(3, int(near.sum())))
    assert torch.equal(changed[0, :, far], x[0, :, far])


def test_the_photos_eye_is_put_into_the_drawing_in_its_light() -> None:
    drawing, photo = torch.full((2, 3, SIZE, SIZE), 0.9), torch.full((2, 3, SIZE, SIZE), 0.6)
    drawing[1] = 0.45
    drawing[:, :, :, :12] = 0.05  # hair at the side
    photo[:, :, 26:38, 26:38] = 0.2
    seen = grafted(drawing, photo, GRAFT)
    place = (torch.arange(SIZE) + 0.5) / 32 - 1
    radius = torch.hypot(place, place[:, None])
    assert torch.equal(seen[:, :, radius > 0.87], drawing[:, :, radius > 0.87])
    torch.testing.assert_close(seen[0, :, 28:36, 28:36], torch.full((3, 8, 8), 0.3))
    torch.testing.assert_close(seen[1, :, 28:36, 28:36], torch.full((3, 8, 8), 0.15))
    ring = (radius > 0.4) & (radius < 0.58)
    torch.testing.assert_close(
        seen[:, :, ring], drawing[:, :, 32, 32, None].expand_as(seen[:, :, ring])
    )


def test_each_colour_of_the_photo_gets_the_drawn_skins() -> None:
    drawing = torch.tensor([0.96, 0.9, 0.8]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
    photo = torch.tensor([0.8, 0.6, 0.5]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
    torch.testing.assert_close(grafted(drawing, photo, GRAFT), drawing.contiguous())


def test_eyes_walk_downhill_and_nothing_else_moves() -> None:
    x, start = smooth(), smooth(seed=2)
    drawn = closeups()(x, start, EYES, 1.0)
    assert torch.equal(
        drawn[0, :, (radii() >= RADIUS).all(dim=0)], x[0, :, (radii() >= RADIUS).all(dim=0)]
    )
    middles = (radii() < 10).any(dim=0)
    assert (drawn - start)[0, 0, middles].mean() > 0.1
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    walked, source = (
        squares(drawn, EYES, SIZE),
        grafted(squares(x, EYES, SIZE), squares(start, EYES, SIZE), GRAFT),
    )
    assert (uphill(walked) < uphill(source) - 0.05).all()


def test_the_right_eye_walks_in_the_mirror() -> None:
    left = torch.tensor([[[100.0, 128.0, 66.0], [156.0, 128.0, 66.0]]])
    x, start = (
        torch.cat([p[..., :128], p[..., :128].flip(-1)], dim=-1) for p in (smooth(), smooth(seed=3))
    )
    drawn = closeups()(x, start, left, 1.0)
    torch.testing.assert_close(drawn, drawn.flip(-1), atol=2e-3, rtol=0)


def test_a_part_of_the_walk_is_its_first_moves() -> None:
    x, start = smooth(2), smooth(2, seed=2)
    both = EYES.expand(2, 2, 3)
    assert closeups()(x, start, both, 0.0) is x
    assert closeups()(x, start, both, 0.05) is x  # less than half a move
    half = closeups()(x, start, both, 0.5)
    shorter = closeups(steps=4, decay=0.25)(x, start, both, 1.0)
    torch.testing.assert_close(half, shorter)
    mixed = closeups()(x, start, both, torch.tensor([0.5, 1.0]))
    whole = closeups()(x, start, both, 1.0)
    torch.testing.assert_close(mixed, torch.stack([half[0], whole[1]]))
    assert not torch.allclose(half, whole, atol=1e-2)


def test_a_batch_is_its_pictures_alone() -> None:
    x, start = smooth(3), smooth(3, seed=2)
    places = torch.cat([EYES, EYES + torch.tensor([9.0, 4.0, 2.0]), torch.zeros(1, 2, 3)])
    share = torch.tensor([1.0, 0.4, 1.0])
    together = closeups()(x, start, places, share)
    for i in range(3):
        alone = closeups()(x[i : i + 1], start[i : i + 1], places[i : i + 1], share[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
    assert torch.equal(together[2], x[2])  # no face


def small_network(
    seed: int, *, size: int, channels: tuple[int, ...], swish: float = 0.0
) -> EnergyModel:
    torch.manual_seed(seed)
    model = EnergyModel(NetworkConfig(size=size, channels=channels, swish=swish))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model


@pytest.fixture(scope="module")
def model() -> EnergyModel:
    own = small_network(3, size=64, channels=(8, 16, 16, 16))
    return own.with_closeup(small_network(4, size=32, channels=(8, 8, 8), swish=10.0))


@pytest.fixture(scope="module")
def folder(model: EnergyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain of faces with close-ups, and random weights."""
    folder = tmp_path_factory.mktemp("domains") / "eyed"
    card = Domain(
        format=16,
        name="eyed",
        title="Eyed",
        framing="face",
        face_margin=1.7,
        face_eyes=1.5,
        network=model.config,
        pgd=Descent(steps=5, step_size=1.0, decay=0.5),
        calibration={
            "data": [-3.0 + 0.01 * i for i in range(21)],
            "source": [1 + 0.01 * i for i in range(21)],
        },
        closeup=Closeup(side=0.44, pgd=Descent(steps=6, step_size=2.0, coarse=(0.3,))),
        sha256={WEIGHTS_FILE: "0" * 64},
    )
    model.save_pretrained(folder, card=card)
    return folder


@pytest.fixture(scope="module")
def eyed(folder: Path) -> Translator:
    return Translator.load(str(folder), device="cpu", dtype="float32")


def around_eyes(translator: Translator, view: View) -> Tensor:
    """(h,w) bool."""
    assert view.eyes is not None
    size = translator.domain.network.size
    place = torch.arange(size) + 0.5
    return torch.stack(
        [torch.hypot(place - x, (place - y)[:, None]) < side / 2 for x, y, side in view.eyes[0]]
    ).any(dim=0)


@pytest.fixture
def view(eyed: Translator) -> View:
    return look_at_example(eyed, "astronaut.jpg")


def look_at_example(eyed: Translator, name: str) -> View:
    photo = read_photo(EXAMPLES / name)
    return look(photo.rgb, eyed.windows(photo)[0], keep_glasses=False, asked=Asked.by(eyed.domain))


def test_a_walk_ends_with_its_eyes_drawn(eyed: Translator, view: View) -> None:
    plain = [s.x for s, _ in without_closeups(eyed).descend(view)]
    own = [s for s, _ in eyed.descend(view)]
    assert torch.equal(own[0].x, plain[0])  # the photo itself
    eyes = around_eyes(eyed, view)
    for step, x in list(zip(own, plain, strict=True))[1:]:
        assert torch.equal(step.x[..., ~eyes], x[..., ~eyes])
        assert not torch.equal(step.x[..., eyes], x[..., eyes])
    *_, (last, _) = eyed.descend(view, measured=False)
    assert torch.equal(last.x, own[-1].x)


def test_eyes_stay_within_the_ball_and_the_mask(eyed: Translator, view: View) -> None:
    size = eyed.domain.network.size
    mask = torch.ones(1, 1, size, size, dtype=torch.bool)
    mask[..., : size // 2] = False
    masked = replace(view, mask=mask)
    *_, (last, _) = eyed.descend(masked)
    assert torch.equal(last.x[..., : size // 2], view.x[..., : size // 2])
    assert not torch.equal(last.x[..., size // 2 :], view.x[..., size // 2 :])
    *_, (last, _) = eyed.descend(view, Options(eps=1.5))
    assert float(torch.linalg.vector_norm(last.x - view.x)) <= 1.5 * (1 + 1e-5)


def test_eyes_that_stay_as_they_are_have_no_close_up(eyed: Translator, view: View) -> None:
    photo = read_photo(EXAMPLES / "astronaut.jpg")
    window = eyed.windows(photo)[0]
    assert view.eyes is not None
    (left, _, side), (right, _, _) = view.eyes[0].tolist()
    middle = window.box[0] + (left + right) / 2 * window.width / window.out_width
    mask = np.ones(photo.rgb.shape[:2], dtype=bool)
    mask[:, : round(middle)] = False
    asked = Asked.by(eyed.domain)
    seen = look(photo.rgb, window, keep_glasses=False, asked=asked, mask=mask)
    assert seen.eyes is not None
    assert not seen.eyes[0, 0].any()
    assert seen.eyes[0, 1, 2] == pytest.approx(side)


def test_windows_without_a_face_have_none(eyed: Translator) -> None:
    photo = read_photo(EXAMPLES / "coffee.jpg")
    options = Options(framing="crop")
    window = eyed.windows(photo, options)[0]
    seen = look(photo.rgb, window, keep_glasses=False, asked=Asked.by(eyed.domain, options))
    assert seen.eyes is None
    for own, plain in zip(eyed.descend(seen), without_closeups(eyed).descend(seen), strict=True):
        assert torch.equal(own[0].x, plain[0].x)


def test_photos_that_end_early_have_eyes_as_far_as_each_came(eyed: Translator, view: View) -> None:
    other = look_at_example(eyed, "hopper.jpg")
    both = gathered([view, other])
    states = [(s.x, s.energy) for s, _ in eyed.descend(both)]
    energies = torch.stack([energy for _, energy in states])
    ends = {}
    for target in energies.flatten().tolist():  # one of which parts both
        reached = energies <= target + 1e-4
        first = [int(r.nonzero()[0]) if r.any() else len(r) - 1 for r in reached.T]
        if min(first) > 0 and first[0] != first[1]:
            ends[target + 1e-4] = first
    target, first = next(iter(ends.items()))
    calibration = eyed.domain.calibration.model_copy(update={"data": (target,) * 21})
    card = eyed.domain.model_copy(update={"calibration": calibration})
    early = Translator(card, eyed.model, eyed.device, eyed.dtype)
    *_, (last, _) = early.descend(both, Options(strength="auto"))
    for i, index in enumerate(first):
        torch.testing.assert_close(last.x[i], states[index][0][i])


def test_a_blend_has_none(eyed: Translator, tiny_domain: Path, view: View) -> None:
    other = Translator.load(str(tiny_domain), device="cpu", dtype="float32")
    assert Mixture.of(eyed, other, 0.0).closeups() is not None
    blend = Mixture.of(eyed, other, 0.5)
    assert blend.closeups() is None
    assert Asked.by(blend.domain).closeup == 0


def test_image_and_batch_agree(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    photo = tmp_path / "photo.png"
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        picture.convert("RGB").save(photo)
    with_eyes = made_by_both(cli, photo, "--domain", "eyed")
    bare = folder.parent / "bare"
    card = json.loads((folder / CARD_FILE).read_text())
    del card["closeup"], card["network"]["closeup"]
    bare.mkdir()
    weights = {k: v for k, v in load_file(folder / WEIGHTS_FILE).items() if "closeup" not in k}
    save_file(weights, bare / WEIGHTS_FILE)
    card["sha256"][WEIGHTS_FILE] = hashlib.sha256((bare / WEIGHTS_FILE).read_bytes()).hexdigest()
    (bare / CARD_FILE).write_text(json.dumps(card))
    assert not np.array_equal(with_eyes, made_by_both(cli, photo, "--domain", "bare"))


def test_weights_of_close_ups_belong_to_the_model(model: EnergyModel, folder: Path) -> None:
    names = set(load_file(folder / WEIGHTS_FILE))
    assert {n for n in names if n.startswith("closeup.")} == {
        f"closeup.{n}" for n in small_network(4, size=32, channels=(8, 8, 8)).state_dict()
    }
    assert model.config.parameters == sum(p.numel() for p in model.parameters())
    again = EnergyModel.from_pretrained(folder)
    assert again.closeup is not None
    assert model.closeup is not None
    x = noise(2, 32)
    frozen = again.frozen(torch.device("cpu"), torch.float32)
    assert frozen.closeup is not None
    torch.testing.assert_close(
        frozen.closeup.energy(x), model.closeup.energy(x), atol=1e-4, rtol=1e-4
    )
    y = noise(2, 64)
    torch.testing.assert_close(frozen.energy(y), model.alone().energy(y), atol=1e-4, rtol=1e-4)
    assert model.alone().closeup is None
    assert model.alone().config.closeup is None
    with pytest.raises(SettingsError, match="close-ups cannot grow"):
        model.grow([8])


def test_cards_say_close_ups_in_both_places_or_none(folder: Path) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    assert card["format"] == 16

    def refused(change: Callable[[dict[str, object]], object], words: str) -> None:
        wrong = copy.deepcopy(card)
        change(wrong)
        (folder / "wrong").mkdir(exist_ok=True)
        (folder / "wrong" / CARD_FILE).write_text(json.dumps(wrong))
        with pytest.raises(DomainError, match=words):
            read_domain(folder / "wrong")

    refused(lambda c: c.pop("closeup"), "belong together")
    refused(lambda c: c["network"].pop("closeup"), "belong together")  # pyright: ignore
    refused(lambda c: c.update(format=15), "close-ups need 16")
    refused(lambda c: c["closeup"]["pgd"].update(coarse=[0.1, 0.1]), "halvings away")  # pyright: ignore
    refused(lambda c: c["network"]["closeup"].update(head="pooled"), "aligned head")  # pyright: ignore
    refused(lambda c: c["closeup"].update(side=0), "greater than 0")  # pyright: ignore


def test_cards_without_them_do_not_name_them(tiny_domain: Path) -> None:
    text = read_domain(tiny_domain).model_dump_json()
    assert "closeup" not in text


def test_eyes_of_a_tilted_photo_are_followed(eyed: Translator) -> None:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        rgb = np.asarray(picture.convert("RGB"))
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 4), 10, 1.0)
    turned = cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    tilts = []
    for each in (rgb, turned):
        photo = read_photo(each)
        seen = look(
            photo.rgb, eyed.windows(photo)[0], keep_glasses=False, asked=Asked.by(eyed.domain)
        )
        assert seen.eyes is not None
        (x0, y0, _), (x1, y1, _) = seen.eyes[0].tolist()
        tilts.append(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
    assert tilts[1] - tilts[0] == pytest.approx(-10, abs=4)


def test_domains_and_pages_tell_of_them(cli: Cli, folder: Path) -> None:
    told = cli("domains", folder)
    assert told.code == 0, told.err
    assert "eyes      32 px, 0.0" in told.out
    assert "6 steps of 2" in told.out
    assert "Eyes are drawn close up by a network of their own" in (folder / "README.md").read_text()


def test_a_run_is_another_with_other_close_ups(eyed: Translator) -> None:
    closeup = eyed.domain.closeup
    assert closeup is not None

    def digest(**changes: object) -> str:
        card = eyed.domain.model_copy(update={"closeup": closeup.model_copy(update=changes)})
        return Settings().digest(Translator(card, eyed.model, eyed.device, eyed.dtype))

    same = digest()
    assert digest(metrics={"held_out_data": 3}) == same
    assert digest(side=0.5) != same
    assert digest(pgd=closeup.pgd.model_copy(update={"steps": 7})) != same
    assert Settings().digest(without_closeups(eyed)) != same


def test_what_is_asked_of_moves_holds_for_eyes_too(eyed: Translator, view: View) -> None:
    eyes = around_eyes(eyed, view)
    spread = []
    for options in (Options(), Options(colour_lock=1.0)):
        *_, (last, _) = eyed.descend(view, options)
        change = (last.x - view.start)[0][:, eyes]
        spread.append(float((change - change.mean(dim=0)).abs().mean()))
    assert spread[1] < 0.8 * spread[0]


def test_eyes_of_moving_pictures_do_not_blink(view: View) -> None:
    assert view.eyes is not None
    one = view.eyes * torch.tensor([0.0, 1.0])[None, :, None]
    frames = steady([view, replace(view, eyes=one), view], 1)
    for frame in frames:
        assert frame.eyes is not None
        assert not frame.eyes[0, 0].any()
        assert torch.equal(frame.eyes[0, 1], view.eyes[0, 1])
    none = steady([view, replace(view, eyes=None)], 1)
    assert none[0].eyes is not None
    assert not none[0].eyes.any()


@pytest.mark.parametrize("arch", ["stargan-v2", "resnet50"])
def test_close_ups_count_among_all_parameters(arch: str) -> None:
    own = {"stargan-v2": (64, (8, 16, 16, 16, 16)), "resnet50": (32, (4, 8, 16, 32))}[arch]
    head = "aligned" if arch == "stargan-v2" else "pooled"
    config = NetworkConfig(arch=arch, size=own[0], channels=own[1], head=head)
    closeup = NetworkConfig(size=32, channels=(8, 8, 8))
    both = config.model_copy(update={"closeup": closeup})
    assert both.parameters == config.parameters + closeup.parameters
    assert both.weights_limit > config.weights_limit


def test_a_model_without_its_close_ups_can_be_kept(folder: Path, tmp_path: Path) -> None:
    plain = EnergyModel.from_pretrained(folder).with_closeup(None)
    plain.save_pretrained(tmp_path / "plain")
    card = read_domain(tmp_path / "plain")
    assert card.closeup is None
    assert EnergyModel.from_pretrained(tmp_path / "plain").closeup is None
    with pytest.raises(DomainError, match="no domain card"):
        plain.with_closeup(plain).save_pretrained(tmp_path / "other")
