"""`make evaluate` measures every domain on images that its recipe keeps out of training."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from translate.training.config import load_recipe

ROOT = Path(__file__).parents[1]
DOMAINS = ("anime", "cartoon", "cat", "night")
SET = re.compile(r"/data/(?P<path>[^@]+)@(?P<part>-?\d*:-?\d*)(@(?P<framing>face))?")


def commands(*variables: str) -> list[list[str]]:
    """The `translate` commands that make would run."""
    made = subprocess.run(
        ["make", "--dry-run", "evaluate", "DATA=/data", *variables],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = made.stdout.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if "translate evaluate" in line]


def flags(command: list[str], name: str) -> list[str]:
    return [after for flag, after in pairwise(command) if flag == name]


@pytest.mark.parametrize("domain", DOMAINS)
def test_sets_are_what_the_recipe_holds_out(domain):
    data = load_recipe(domain).data
    held = {s.path: s.hold_out for s in (*data.p_data, *data.p_0)}
    translation, generation, ood = commands(f"DOMAIN={domain}")
    (target,) = data.p_data
    for command in (translation, generation, ood):
        assert flags(command, "--domain") == [domain]
        assert flags(command, "--target") == [f"/data/{target.path}@-{target.hold_out}:"]
    assert flags(generation, "--training") == [f"/data/{target.path}@:-{target.hold_out}"]
    sources, starts = flags(translation, "--source"), flags(generation, "--from")
    for spec in (*sources, *starts, *flags(ood, "--other")):
        found = SET.fullmatch(spec)
        assert found
        if found["path"] in held:
            assert found["part"] == f"-{held[found['path']]}:"
    found = [SET.fullmatch(spec) for spec in sources + starts]
    walked = [(m["path"], m["framing"] or "crop") for m in found if m]
    assert walked[0] == (data.p_0[0].path, data.p_0[0].framing)
    assert walked[1] == (data.p_0[-1].path, data.p_0[-1].framing)
    assert len(flags(ood, "--other")) == 4
    assert not any(target.path in spec for spec in flags(ood, "--other"))


@pytest.mark.parametrize("domain", DOMAINS)
def test_features_are_of_another_network_and_can_be_chosen(domain):
    translation, generation, _ = commands(f"DOMAIN={domain}")
    assert flags(translation, "--features") == flags(generation, "--features") != [domain]
    translation, *_ = commands(f"DOMAIN={domain}", "FEATURES=x")
    assert flags(translation, "--features") == ["x"]


def test_each_domain_has_its_own_place():
    text = [" ".join(c) for d in DOMAINS for c in commands(f"DOMAIN={d}")]
    folders = re.findall(r"out/evaluate/\S+", " ".join(text))
    assert len(set(folders)) == len(folders) == 3 * len(DOMAINS)


@pytest.mark.parametrize("variables", [["DATA=/data", "DOMAIN=dog"], ["DATA=/nowhere"], []])
def test_mistakes_get_the_usage(variables):
    made = subprocess.run(
        ["make", "evaluate", "--old-file", ".venv/test.stamp", *variables],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 2
    assert "usage: make evaluate" in made.stderr
