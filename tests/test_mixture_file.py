"""Files of mixtures: whatever is damaged, there is an error that names the file, or a mixture that works."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LINES
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.adaptive.cache import CacheModel
from lmmix.corpus import corpus_from_lines
from lmmix.errors import FormatError, LmmixError
from lmmix.lm import load
from lmmix.mix.context import ContextMixture
from lmmix.mix.gate import CosineMap, Gate, HiddenMap, LandmarkMap
from lmmix.mix.linear import LinearMixture
from lmmix.mix.loglinear import LogLinearMixture
from lmmix.mix.mixture import Mixture
from lmmix.mix.online import OnlineMixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram

TEXT = corpus_from_lines(LINES)
KINDS = ("linear", "loglinear", "online", "bucketed", "fourier", "nystroem", "hidden", "cache")
ODD = [
    None, True, False, 0, 1, -1, 2, 0.5, 1e30, -1e30, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 10**400,
    "", "eg", "linear", "context", "..", "\0", "1", "nan", [], [1, 2], [[1, 2], [3, 4]], [[]], {}, {"kind": "cache"},
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of every kind, in files."""
    place = tmp_path_factory.mktemp("mixtures")
    for kind in KINDS:
        some_mixture(kind, place).save(place / f"{kind}.json")
    return place


def some_mixture(kind: str, folder: Path) -> Mixture:
    paths = [folder / "a.lmx", folder / "b.arpa"]
    for path, order in zip(paths, (2, 1)):
        if not path.exists():
            train_ngram(TEXT, order).save(path)
    members = [load(path) for path in paths]
    if kind == "linear":
        return LinearMixture(members, [0.25, 0.75], paths)
    if kind == "loglinear":
        return LogLinearMixture(members, [0.75, -0.5], paths)
    if kind == "online":
        return OnlineMixture(members, [0.25, 0.75], 0.5, 0.1, "eg", paths)
    if kind == "cache":
        return LinearMixture([members[0], CacheModel(members[0].vocab)], [0.9, 0.1], [paths[0], None])
    rng = np.random.default_rng(1)
    kinds = ("likelihood", "position")
    mapping = {
        "bucketed": None,
        "fourier": CosineMap(rng.normal(size=(3, 2)), rng.normal(size=2)),
        "nystroem": LandmarkMap(np.ones(3), rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), np.array(0.5)),
        "hidden": HiddenMap(rng.normal(size=(3, 2)), rng.normal(size=2)),
    }[kind]
    columns = 3 if mapping is None else 2
    return ContextMixture(
        members, Gate(rng.normal(size=2), rng.normal(size=(2, columns)), mapping), kinds, 2, (), paths
    )


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each (container, key) in a JSON document."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(folder: Path, kind: str) -> None:
    again, before = load(folder / f"{kind}.json"), some_mixture(kind, folder)
    np.testing.assert_array_equal(again.score(TEXT), before.score(TEXT))
    assert again.signature == before.signature


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.data())
def test_damaged_files(folder: Path, kind: str, data: st.DataObject) -> None:
    content = json.loads((folder / f"{kind}.json").read_text())
    del content["tuning"]
    for _ in range(data.draw(st.integers(1, 2))):
        found = list(places(content))
        inside, key = found[data.draw(st.integers(0, len(found) - 1))]
        if data.draw(st.booleans()):
            del inside[key]
        else:
            inside[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    damaged = folder / "damaged.json"
    damaged.write_text(json.dumps(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            mixture = load(damaged)
        except LmmixError as error:
            assert "damaged.json" in str(error)
            return
        assert not np.isnan(mixture.score(TEXT)).any()
        assert not np.isnan(mixture.distribution(mixture.start(1))).any()
        assert mixture.signature


@pytest.mark.parametrize("name", ["rate", "share", "rule", "weights"])
def test_each_parameter_must_be_there(folder: Path, name: str) -> None:
    content = json.loads((folder / "online.json").read_text())
    del content["parameters"][name]
    (folder / "lacking.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="lacking.json: its parameters .* there must be rate, rule, share, weights"):
        load(folder / "lacking.json")


def test_members_are_read_with_their_tokeniser(tmp_path: Path) -> None:
    letters = corpus_from_lines(["the cat", "a mat"], tokenizer="chars")
    paths = [tmp_path / "a.arpa", tmp_path / "b.lmx"]
    for path, order in zip(paths, (1, 2)):
        train_ngram(letters, order).save(path)
    mixture = LinearMixture([load(path, "chars") for path in paths], [0.5, 0.5], paths)
    mixture.save(tmp_path / "mix.json")
    again = load(tmp_path / "mix.json", threads=1)
    assert again.vocab.tokenizer == "chars"
    np.testing.assert_array_equal(again.score(letters), mixture.score(letters))


def test_missing_member_is_said(models: list[BackoffModel], tmp_path: Path) -> None:
    paths = [tmp_path / "a.lmx", tmp_path / "b.lmx"]
    for model, path in zip(models, paths):
        model.save(path)
    LinearMixture([load(path) for path in paths], [0.2, 0.8], paths).save(tmp_path / "mix.json")
    content = json.loads((tmp_path / "mix.json").read_text())
    del content["members"][1]
    (tmp_path / "mix.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="mix.json: its parameters do not fit the 1 members that it names"):
        load(tmp_path / "mix.json")
