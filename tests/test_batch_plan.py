"""Which files are inputs, what their results are called, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.batch.inputs import Selection, find_inputs
from translate.batch.naming import MAX_NAME_BYTES, name_results
from translate.batch.plan import Shard, check_out, make_plan
from translate.errors import InputError, SettingsError

ALL = Selection()


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def search(*sources: object, selection: Selection = ALL, **others: object) -> list[str]:
    found = find_inputs([str(s) for s in sources], selection, **others)
    return [i.relative for i in found.inputs]


def first(names: list[dict[str, str]]) -> list[str]:
    return [next(iter(n.values())) for n in names]


# Names


def test_tree_and_names_are_mirrored() -> None:
    inputs = ["a.jpg", "b/a.jpg", "b/c d/ü.PNG", "x.webp", "y.tiff", "z.bmp"]
    assert first(name_results(inputs, "auto")) == inputs


@pytest.mark.parametrize(
    ("inputs", "file_format", "expected"),
    [
        (["a.jpg", "a.png"], "auto", ["a.jpg", "a.png"]),
        (["a.jpg", "a.png"], "png", ["a.jpg.png", "a.png"]),
        (["a.jpg", "a.webp"], "png", ["a.jpg.png", "a.webp.png"]),
        (["x/a.jpg", "y/a.jpg"], "png", ["x/a.png", "y/a.png"]),
        (["A.jpg", "a.jpg"], "auto", ["A.jpg", "a~2.jpg"]),
        (["A/x.png", "a/x.png"], "auto", ["A/x.png", "a/x~2.png"]),
        (["e\u0301.png", "\u00e9.png"], "auto", ["e\u0301.png", "\u00e9~2.png"]),
        (["a.jpg", "a.jpg.png", "a.png"], "png", ["a.jpg~2.png", "a.jpg.png", "a.png"]),
        (["p.heic", "q.avif", "r.ppm"], "auto", ["p.jpg", "q.jpg", "r.png"]),
        (["p.heic", "p.jpg"], "auto", ["p.heic.jpg", "p.jpg"]),
        (["p.JPEG", "q.jpg"], "jpg", ["p.JPEG", "q.jpg"]),
        (["a.webp", "a.png/b.webp"], "png", ["a.webp.png", "a.png/b.png"]),
    ],
)
def test_no_two_results_share_a_name(
    inputs: list[str], file_format: str, expected: list[str]
) -> None:
    assert first(name_results(inputs, file_format)) == expected


def test_suffix_stands_before_the_dot() -> None:
    assert first(name_results(["d.x/a.b.jpg"], "auto", "_anime")) == ["d.x/a.b_anime.jpg"]


PARTS = st.sampled_from(["a", "A", "b", "é", "e\u0301", "a.jpg", "a~2", "İ"])
SUFFIXES = st.sampled_from([".jpg", ".JPG", ".png", ".gif", ".heic", ".bmp", ".webp", "", ".tif"])
PATHS = st.lists(
    st.builds(
        lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
        st.lists(PARTS, max_size=2),
        PARTS,
        SUFFIXES,
    ),
    unique=True,
    max_size=12,
)


@given(PATHS, st.sampled_from(["auto", "png", "jpg", "webp"]), st.sampled_from(["", "_x", "~2"]))
def test_names_are_unique_on_any_file_system(
    paths: list[str], file_format: str, suffix: str
) -> None:
    import unicodedata

    names = [n for options in name_results(paths, file_format, suffix) for n in options.values()]
    alike = {unicodedata.normalize("NFC", n).casefold() for n in names}
    assert len(alike) == len(names)
    assert all(len(os.fsencode(n.rpartition("/")[2])) <= MAX_NAME_BYTES for n in names)


def test_long_names_are_cut_and_stay_apart() -> None:
    inputs = ["ü" * 124 + f"{i}.gif" for i in range(3)]  # 253 bytes
    names = first(name_results(inputs, "png", "_anime"))
    assert len(set(names)) == 3
    assert all(len(os.fsencode(n)) <= 255 and n.endswith(".png") for n in names)
    assert names == first(name_results(inputs, "png", "_anime"))


# Inputs


def test_folder_with_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.txt", ".hidden.jpg", "s/c.PNG", "s/.git/d.png", "raw/e.jpg")
    assert search(tmp_path) == ["a.jpg", "raw/e.jpg", "s/c.PNG"]
    assert search(tmp_path, selection=Selection(recursive=False)) == ["a.jpg"]
    assert search(tmp_path, selection=Selection(include=("*.jpg",))) == ["a.jpg", "raw/e.jpg"]
    assert search(tmp_path, selection=Selection(include=("*.TXT",))) == ["b.txt"]
    assert search(tmp_path, selection=Selection(exclude=("raw", "s/*"))) == ["a.jpg"]
    found = find_inputs([str(tmp_path)], ALL)
    assert found.left_out == 3


def test_files_patterns_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "s/b.jpg", "s/t/c.jpg", "odd[1].jpg", "noext")
    monkeypatch.chdir(tmp_path)
    assert search("a.jpg") == ["a.jpg"]
    assert search("s/b.jpg") == ["b.jpg"]
    assert search("a.jpg", "./a.jpg", "s/b.jpg", tmp_path / "a.jpg") == ["a.jpg", "s/b.jpg"]
    assert search("s", "a.jpg") == ["a.jpg", "s/b.jpg", "s/t/c.jpg"]
    assert search("odd[1].jpg") == ["odd[1].jpg"]
    assert search("noext") == ["noext"]
    assert search("s/*.jpg") == ["b.jpg"]
    assert search("s/**/*.jpg") == ["b.jpg", "t/c.jpg"]
    assert search("-", listed=b"a.jpg\ns/b.jpg\r\n\nmissing.jpg\n") == [
        "a.jpg",
        "missing.jpg",
        "s/b.jpg",
    ]
    assert search("-", listed=b"a.jpg\0s\0") == ["a.jpg", "s/b.jpg", "s/t/c.jpg"]
    assert search("-", listed=b"\xef\xbb\xbfa.jpg\r\n   \r\n") == ["a.jpg"]
    absolute = str(tmp_path / "a.jpg").encode()
    assert search("-", listed=absolute) == [str(tmp_path / "a.jpg").lstrip("/")]
    with pytest.raises(InputError, match="no such file"):
        search("nowhere")
    with pytest.raises(InputError, match="matches"):
        search("nowhere*.jpg")


def test_include_counts_for_patterns_and_lists_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "b.txt", "c.JPG")
    monkeypatch.chdir(tmp_path)
    for sources, listed in ((("*",), b""), (("-",), b"a.jpg\nb.txt\nc.JPG\n")):
        found = find_inputs(sources, Selection(include=("*.jpg",)), listed=listed)
        assert [i.relative for i in found.inputs] == ["a.jpg", "c.JPG"]
        assert found.left_out == 1
    assert search("*") == ["a.jpg", "b.txt", "c.JPG"]


def test_results_do_not_depend_on_the_order_of_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files that mirror to one name keep their own results."""
    touch(tmp_path, "a.jpg", "here/a.jpg")
    monkeypatch.chdir(tmp_path / "here")
    lists = (b"../a.jpg\na.jpg\n", b"a.jpg\n../a.jpg\n")
    plans = [make_plan(find_inputs(["-"], ALL, listed=text), tmp_path / "out") for text in lists]
    ours = [{str(item.path): item.outputs[".jpg"] for item in plan} for plan in plans]
    assert ours[0] == ours[1]
    assert sorted(ours[0].values()) == ["a.jpg", "a~2.jpg"]


def test_links_do_not_hang_or_repeat(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg", "z.jpg")
    (tmp_path / "real" / "up").symlink_to("..")
    (tmp_path / "again").symlink_to("real")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "gone.jpg").symlink_to("nothing.jpg")
    other = tmp_path.parent / f"{tmp_path.name}-other"
    touch(other, "o.jpg")
    (tmp_path / "other").symlink_to(other)
    # broken links are inputs: the run will say what is wrong with them
    assert search(tmp_path) == ["gone.jpg", "other/o.jpg", "real/a.jpg", "self.jpg", "z.jpg"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.jpg")
    touch(tmp_path, name, "猫/" + "é" * 120 + ".png")
    assert set(search(tmp_path)) == {name, "猫/" + "é" * 120 + ".png"}


def test_results_inside_the_input_are_not_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "out/a.jpg")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    assert search(tmp_path, out=out) == ["a.jpg"]
    assert search("**/*.jpg", out=Path("out")) == ["a.jpg"]
    assert search(out, out=tmp_path) == ["a.jpg"]


# Plans


def test_shards_are_disjoint_complete_and_stable(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{i}.jpg" for i in range(60)))
    found = find_inputs([str(tmp_path)], ALL)
    out = tmp_path / "out"
    shares = [
        {i.relative for i in make_plan(found, out, shard=Shard.parse(f"{k}/4"))}
        for k in (1, 2, 3, 4)
    ]
    assert sum(len(s) for s in shares) == 60
    assert set().union(*shares) == {f"{i}.jpg" for i in range(60)}
    touch(tmp_path, "0a.jpg", "5a.jpg")
    more = make_plan(find_inputs([str(tmp_path)], ALL), out, shard=Shard.parse("2/4"))
    assert shares[1] <= {i.relative for i in more}
    assert len(make_plan(found, out, limit=7)) == 7


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_wrong_shards(text: str) -> None:
    with pytest.raises(SettingsError, match="use i/n"):
        Shard.parse(text)


def test_out_is_refused_where_it_would_do_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "in/a.jpg", "in/in/a.jpg", "file")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "same").symlink_to("in")
    for out, words in (("file", "is a file"), ("x.png", "picture"), ("same", "same folder")):
        with pytest.raises(SettingsError, match=words):
            check_out(["in"], Path(out))
    with pytest.raises(SettingsError, match="overwrite the source"):
        make_plan(find_inputs(["in/in"], ALL), Path("in/in"))
    with pytest.raises(SettingsError, match="overwrite the source"):
        make_plan(find_inputs(["in"], ALL), tmp_path / "same")
    assert make_plan(find_inputs(["in/in"], ALL), Path("in/in"), suffix="_x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    with pytest.raises(SettingsError, match="overwrite the source"):
        make_plan(find_inputs(["in/a.jpg"], ALL), Path("out"))
    with pytest.raises(SettingsError, match="suffix"):
        make_plan(find_inputs(["in"], ALL), Path("out"), suffix="../x")
