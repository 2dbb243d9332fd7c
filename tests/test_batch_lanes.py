"""Walks side by side: the same results in the same order, and no thread count left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
import torch

from translate import Options, Translator
from translate.batch.engine import End, Engine
from translate.batch.lanes import LEAST, Lanes, default_lanes
from translate.view import View


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(
    ("count", "items", "sizes"),
    [
        (1, 9, [9]),
        (2, 2 * LEAST - 1, [2 * LEAST - 1]),  # too few to be divided
        (2, 2 * LEAST, [LEAST, LEAST]),
        (2, 11, [6, 5]),
        (4, 16, [4, 4, 4, 4]),
        (4, 13, [5, 5, 3]),
    ],
)
def test_parts_are_even_and_results_in_order(count: int, items: int, sizes: list[int]) -> None:
    seen: dict[int, int] = {}

    def double(part: Sequence[int]) -> list[int]:
        seen[part[0]] = len(part)
        return [2 * item for item in part]

    assert Lanes(count).map(double, range(items)) == [2 * item for item in range(items)]
    assert [seen[first] for first in sorted(seen)] == sizes


def test_each_lane_has_its_share_of_the_threads_and_nobody_else_loses_any() -> None:
    seen: list[int] = []

    def look(part: Sequence[int]) -> list[int]:
        seen.append(torch.get_num_threads())
        return list(part)

    Lanes(2).map(look, range(8))
    assert seen == [1, 1]
    assert torch.get_num_threads() == 2
    assert threads_of_a_new_thread() == 2


def test_a_failure_comes_out_after_all_have_ended() -> None:
    ended: list[int] = []

    def fail(part: Sequence[int]) -> list[int]:
        if part[0] == 0:
            raise RuntimeError("out of memory")
        threading.Event().wait(0.2)
        ended.append(part[0])
        return list(part)

    with pytest.raises(RuntimeError, match="out of memory"):
        Lanes(2).map(fail, range(8))
    assert ended == [4]
    assert torch.get_num_threads() == 2


def test_the_engine_walks_the_same_way_in_lanes(tiny_domain: object) -> None:
    translator = Translator.load(str(tiny_domain), device="cpu", dtype="float32")
    pixels = torch.rand(11, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    views = [View(x) for x in pixels.split(1)]
    ends = [Engine(translator, Options(), 11, print, lanes).run(views) for lanes in (1, 2)]
    for one, two in zip(*ends, strict=True):
        assert isinstance(one, End)
        assert isinstance(two, End)
        assert one.before == pytest.approx(two.before, abs=1e-5)
        torch.testing.assert_close(one.step.x, two.step.x, rtol=0, atol=1e-4)
        assert two.seconds > 0


def test_only_a_cpu_has_lanes() -> None:
    assert default_lanes(torch.device("cpu")) == 2
    assert default_lanes(torch.device("cuda", 0)) == 1
    assert default_lanes(torch.device("mps")) == 1
