"""2,000 mutated files: whatever is in a card or in weights, only our own errors come out."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import write_domain
from tests.limits import memory_within, no_hang
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, read_domain
from translate.energy import EnergyModel, load_energy_model
from translate.errors import DomainError
from translate.hub.page import domain_page

EXAMPLES = 500  # of each of the four tests
MEMORY = 400_000_000  # bytes that each of them may add
SLOWEST_MS = 30_000  # for one file, which takes some milliseconds

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=SLOWEST_MS,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
numbers = st.one_of(
    st.integers(), st.sampled_from([-1, 0, 2**31, 2**63, 10**30]), st.floats(), st.booleans()
)
leaves = st.one_of(
    st.none(), numbers, st.text(max_size=9), st.sampled_from(["../x", "/etc/passwd", "\0"])
)
values = st.recursive(
    leaves, lambda s: st.lists(s, max_size=4) | st.dictionaries(st.text(max_size=5), s, max_size=3)
)
cuts = st.lists(
    st.tuples(st.integers(0, 2**20), st.binary(max_size=9), st.integers(0, 9)),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_domain(tmp_path_factory.mktemp("fuzz") / "tiny")


@pytest.fixture(autouse=True)
def bounded(folder: Path, card: dict[str, Any], weights: bytes) -> Iterator[None]:
    """What allocates more than a mutation deserves fails, and what hangs is ended."""
    load(folder, Domain.model_validate(card), weights)  # torch has what it needs
    with memory_within(MEMORY), no_hang():
        yield


def test_the_bound_holds() -> None:
    with pytest.raises(OSError, match="memory"):  # a new mapping: freed memory is no way around it
        mmap.mmap(-1, 2 * MEMORY)


@pytest.fixture(scope="module")
def card(folder: Path) -> dict[str, Any]:
    return json.loads((folder / CARD_FILE).read_text())


@pytest.fixture(scope="module")
def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS_FILE).read_bytes()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of lists and tables."""
    found = [path] if path else []
    keys: Any = range(len(value)) if isinstance(value, list) else ()
    if isinstance(value, dict):
        keys = value
    for key in keys:
        found += places(value[key], (*path, key))
    return found


def mutated(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    """Bytes replaced, put in or cut out at some places."""
    for at, new, dropped in edits:
        at %= len(data) + 1
        data = data[:at] + new + data[at + dropped :]
    return data


def said(error: DomainError) -> None:
    """One line."""
    assert "\n" not in str(error)


def read(folder: Path, data: bytes) -> None:
    """A card either is one, within its limits, or is refused."""
    (folder / CARD_FILE).write_bytes(data)
    try:
        domain = read_domain(folder)
    except DomainError as error:
        said(error)
        return
    assert domain.network.parameters <= 200_000_000
    assert domain.network.size <= 1024
    assert all("/" not in name and name not in {"", ".", ".."} for name in domain.sha256)
    assert domain_page(domain, "a/b").startswith("---\nlicense:")
    with torch.device("meta"):  # the figures above are those of the network itself
        held = EnergyModel(domain.network).state_dict().values()
    assert sum(value.numel() for value in held) == domain.network.parameters


def load(folder: Path, domain: Domain, data: bytes) -> None:
    """Weights either are those of the network or are refused; their hash is right here."""
    file = folder / WEIGHTS_FILE
    file.write_bytes(data)
    try:
        model = load_energy_model(domain.network, file)
    except DomainError as error:
        said(error)
        return
    assert sum(p.numel() for p in model.parameters()) == domain.network.parameters


def test_cards_with_other_values(folder: Path, card: dict[str, Any]) -> None:
    @fuzz
    @given(st.sampled_from(places(card)), values)
    def check(path: tuple[Any, ...], value: Any) -> None:
        copy: Any = json.loads(json.dumps(card))
        spot = copy
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = value
        read(folder, json.dumps(copy).encode("utf-8", "surrogatepass"))

    check()


def test_cards_with_other_bytes(folder: Path, card: dict[str, Any]) -> None:
    whole = json.dumps(card).encode()

    @fuzz
    @given(cuts)
    def check(edits: list[tuple[int, bytes, int]]) -> None:
        read(folder, mutated(whole, edits))

    check()


def test_weights_with_other_bytes(folder: Path, card: dict[str, Any], weights: bytes) -> None:
    domain = Domain.model_validate(card)
    length = struct.unpack("<Q", weights[:8])[0] + 8

    @fuzz
    @given(cuts, st.booleans())
    def check(edits: list[tuple[int, bytes, int]], in_header: bool) -> None:
        head, body = weights[:length], weights[length:]
        data = mutated(head, edits) + body if in_header else mutated(weights, edits)
        load(folder, domain, data)

    check()


def test_weights_with_another_header(folder: Path, card: dict[str, Any], weights: bytes) -> None:
    domain = Domain.model_validate(card)
    length = struct.unpack("<Q", weights[:8])[0]
    header: dict[str, Any] = json.loads(weights[8 : 8 + length])
    sizes = st.one_of(st.none(), st.integers(0, 2**64 - 1))

    @fuzz
    @given(st.sampled_from(places(header)), values, sizes)
    def check(path: tuple[Any, ...], value: Any, stated: int | None) -> None:
        copy: Any = json.loads(json.dumps(header))
        spot = copy
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = value
        text = json.dumps(copy).encode("utf-8", "surrogatepass")
        size = len(text) if stated is None else stated
        load(folder, domain, struct.pack("<Q", size) + text + weights[8 + length :])

    check()
