"""Eyes where a domain draws them: how they are found, and that close-ups are made there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from translate.card_parts import Closeup, Descent
from translate.closeups import Closeups
from translate.domain import Domain
from translate.drawn_places import find_places
from translate.squares import squares

SIZE, SIDE = 64, 80.0
DRAWN = (96 / 256, 132 / 256, SIDE / 256)
USUAL = torch.tensor([[[96.0, 132.0, SIDE], [160.0, 132.0, SIDE]]])


def dots(*places: tuple[float, float], light: float = 0.5) -> Tensor:
    """(1,3,256,256): round spots on black."""
    place = torch.arange(256) + 0.5
    x = torch.zeros(256, 256)
    for across, down in places:
        radius = torch.hypot(place - across, (place - down)[:, None])
        x = torch.maximum(x, light * torch.exp(-0.5 * (radius / 5) ** 2))
    return x.expand(1, 3, 256, 256).contiguous()


seen_from: list[tuple[int, int]] = []


def bright_middle(x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
    """Low where it is light in the middle of a square, and dark around."""
    seen_from.append((len(x), halvings))
    place = (torch.arange(x.shape[-1]) + 0.5) * (2 / x.shape[-1]) - 1
    radius = torch.hypot(place, place[:, None])
    wanted = torch.exp(-0.5 * (radius / 0.15) ** 2)
    return -40 * (x.mean(dim=1) * (wanted - wanted.mean())).mean(dim=(1, 2)) * 20


@pytest.mark.parametrize("left", [(96, 132), (84, 120), (104, 150), (110, 118)])
def test_eyes_are_found_where_they_were_drawn(left: tuple[float, float]) -> None:
    right = (256 - left[0] + 7, left[1] + 3)
    found = find_places(dots(left, right), USUAL, bright_middle, SIZE)
    assert found.shape == (1, 2, 3)
    off = found[0, :, :2] - torch.tensor([left, right])
    assert off.abs().max() <= SIDE / 64 + 0.5  # half a step
    assert torch.equal(found[..., 2], USUAL[..., 2])


def test_both_eyes_are_much_at_one_height() -> None:
    decoy = dots((160, 137), light=0.56)  # lighter, and nearer to where most are
    for left, found_at in ((112, 112), (140, 137)):
        x = torch.maximum(dots((96, left), (160, 112)), decoy)
        found = find_places(x, USUAL, bright_middle, SIZE)
        assert found[0, 1, 1] == pytest.approx(found_at, abs=4)


def test_where_nothing_is_drawn_they_are_where_most_are() -> None:
    flat = torch.full((2, 3, 256, 256), 0.3)
    usual = USUAL.expand(2, 2, 3)
    torch.testing.assert_close(find_places(flat, usual, bright_middle, SIZE), usual)


def test_places_are_looked_for_from_further_off() -> None:
    seen_from.clear()
    find_places(dots((96, 132), (160, 132)), USUAL, bright_middle, SIZE)
    assert seen_from == [(98, 1), (18, 1), (18, 1)]


def test_a_drawing_is_looked_at_alone() -> None:
    x = torch.cat([dots((90, 125), (170, 131)), dots((100, 140), (150, 138))])
    both = find_places(x, USUAL.expand(2, 2, 3), bright_middle, SIZE)
    for index in range(2):
        alone = find_places(x[index : index + 1], USUAL, bright_middle, SIZE)
        torch.testing.assert_close(both[index : index + 1], alone)


EYES = torch.tensor([[[70.0, 60.0, 40.0], [190.0, 60.0, 40.0]]])  # of the photo
LEFT, RIGHT = (88.0, 140.0), (165.0, 136.0)  # where they are drawn


def closeups(graft: bool = True, steps: int = 4, step_size: float = 1.0) -> Closeups:
    descent = Descent(steps=steps, step_size=step_size)
    card = Closeup(side=0.3, drawn=DRAWN, graft=graft, pgd=descent)
    return Closeups(energy=bright_middle, size=SIZE, card=card)


def test_the_photos_eye_walks_where_it_is_drawn() -> None:
    x, start = dots(LEFT, RIGHT), torch.full((1, 3, 256, 256), 0.3)
    start[:, :, 40:80, 40:220] = torch.tensor([0.6, 0.2, 0.1]).view(1, 3, 1, 1)
    result = closeups()(x, start, EYES, 1.0)
    place = torch.arange(256) + 0.5
    radius = torch.stack([torch.hypot(place - a, (place - d)[:, None]) for a, d in (LEFT, RIGHT)])
    far = (radius > SIDE / 2 + 4).all(dim=0)
    assert torch.equal(result[..., far], x[..., far])
    for each in radius:  # in the photo's colours: red
        colour = result[0, :, each < 8].mean(dim=1)
        assert colour[0] > colour[1] + 0.1


def test_only_irises_are_put_where_lids_are_drawn() -> None:
    x, start = dots(LEFT, RIGHT), torch.full((1, 3, 256, 256), 0.8)
    standing = closeups(steps=1, step_size=1e-6)
    changed = (standing(x, start, EYES, 1.0) - x).abs().amax(dim=(0, 1)) > 0.02
    place = torch.arange(256) + 0.5
    radius = torch.stack([torch.hypot(place - a, (place - d)[:, None]) for a, d in (LEFT, RIGHT)])
    near = radius.amin(dim=0) / (SIDE / 2)
    assert changed[near < 0.25].float().mean() > 0.8
    assert not changed[near > 0.72].any()


def test_what_is_drawn_walks_on_without_the_photos_eye() -> None:
    x = dots(LEFT, RIGHT)
    one, other = (
        closeups(graft=False)(x, torch.full((1, 3, 256, 256), light), EYES, 1.0)
        for light in (0.1, 0.9)
    )
    assert torch.equal(one, other)
    before, after = (
        bright_middle(squares(each, torch.tensor([[[*LEFT, SIDE], [*RIGHT, SIDE]]]), SIZE))
        for each in (x, one)
    )
    assert (after < before - 0.05).all()


def test_an_eye_that_is_none_stays_as_it_is_drawn() -> None:
    x, start = dots(LEFT, RIGHT), torch.full((1, 3, 256, 256), 0.8)
    eyes = EYES * torch.tensor([1.0, 0.0])[None, :, None]
    result = closeups()(x, start, eyes, 1.0)
    assert torch.equal(result[..., 200:], x[..., 200:])
    assert not torch.equal(result[..., 60:110], x[..., 60:110])
    none = closeups()(x, start, torch.zeros(1, 2, 3), 1.0)
    assert torch.equal(none, x)


def test_a_card_that_says_where_needs_a_format_of_its_own(
    card: Callable[..., Domain],
) -> None:
    assert card(format=17).closeup is not None
    with pytest.raises(ValueError, match=r"closeup\.graft need 17"):
        card(format=16)
    assert card(format=16, drawn=None).closeup is not None
    with pytest.raises(ValueError, match="need 17"):
        card(format=16, drawn=None, graft=False)
    with pytest.raises(ValueError, match="looks a halving away"):
        card(format=17, channels=[8, 8])
    with pytest.raises(ValueError, match=r"less than or equal to 0\.5"):  # a right eye's
        card(format=17, drawn=(0.6, 0.5, 0.3))
    with pytest.raises(ValueError, match="greater than 0"):
        card(format=17, drawn=(0.3, 0.5, 0.0))


def test_what_older_cards_do_not_say_is_told_only_if_it_is_said(
    card: Callable[..., Domain],
) -> None:
    said = [card(format=17, **c).closeup for c in ({"drawn": None}, {}, {"graft": False})]
    assert [closeup.moves.keys() - {"side", "pgd"} for closeup in said if closeup] == [
        set(),
        {"drawn"},
        {"drawn", "graft"},
    ]


@pytest.fixture
def card() -> Callable[..., Domain]:
    def made(
        format: int,
        drawn: object = DRAWN,
        graft: bool = True,
        channels: Sequence[int] = (8, 8, 8),
    ) -> Domain:
        closeup = {"side": 0.3, "drawn": drawn, "graft": graft}
        network = {"size": 64, "channels": [8, 16, 16]}
        return Domain.model_validate(
            {
                "format": format,
                "name": "eyed",
                "title": "Eyed",
                "framing": "face",
                "network": network | {"closeup": {"size": 32, "channels": channels}},
                "pgd": {"steps": 2, "step_size": 1.0},
                "calibration": {
                    "data": [-3.0 + 0.01 * i for i in range(21)],
                    "source": [1 + 0.01 * i for i in range(21)],
                },
                "closeup": closeup | {"pgd": {"steps": 2, "step_size": 1.0}},
                "sha256": {"model.safetensors": "0" * 64},
            }
        )

    return made
