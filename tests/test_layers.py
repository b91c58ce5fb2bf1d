"""The floor plan of docs/architecture.md: imports only go down, and what is light stays light."""

from __future__ import annotations

import ast
import configparser
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lmmix

PACKAGE = Path(lmmix.__file__).parent

FLOORS = {
    "errors": 0, "checks": 0, "logmath": 0, "fileio": 0, "artefact": 0, "parallel": 0, "progress": 0,
    "scratch": 0, "mapped_writer": 0,
    "vocab": 1, "tokenize": 1, "encode": 1, "corpus": 1, "weighted": 1, "_text_kernels": 1, "vocab_check": 1,
    "stretches": 1, "pieces": 1, "hf_library": 1, "hf_tokenizer": 1,
    "lm": 2,
    "ngram": 3, "neural": 3, "adaptive": 3, "dumps": 3, "dump_write": 3,
    "spelling": 4, "mix": 4, "words": 4,
    "score": 5, "sampled_text": 5, "approximation": 5, "sampling": 5, "nbest": 5, "metrics": 5, "select_vocab": 5,
    "evaluate": 5,
    "mixing": 5, "mix_methods": 5, "mix_report": 6,
    "demo": 6, "describe": 6,
    "cli": 7, "__main__": 7,
}  # fmt: skip
FAMILIES = {"ngram", "neural", "adaptive"}
ARRAYS_ONLY = {"mix", "words"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms of lmmix that a file imports, anywhere in it, but for type checking."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    rooms = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("lmmix.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "lmmix":
            rooms |= {alias.name for alias in node.names if not alias.name.startswith("__version__")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lmmix."):
            rooms.add((node.module or "").split(".")[1])
    return rooms


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    for other in imported_rooms(path):
        assert FLOORS[other] <= FLOORS[room], f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"
        if room in FAMILIES | ARRAYS_ONLY and other != room:
            assert other not in FAMILIES, f"{room} must not know {other}"


def loaded_by(code: str) -> set[str]:
    heavy = "('torch', 'numba', 'kenlm', 'scipy')"
    probe = f"import sys; {code}; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_import_and_help_load_nothing_heavy() -> None:
    assert loaded_by("import lmmix") == set()
    assert loaded_by("from lmmix.cli import group; group(['--help'], standalone_mode=False)") == set()
    for command in lmmix_commands():
        assert loaded_by(f"from lmmix.cli import group; group(['{command}', '--help'], standalone_mode=False)") == set()


def lmmix_commands() -> list[str]:
    from lmmix.cli import COMMANDS

    return list(COMMANDS)


def test_n_gram_and_mixture_rooms_do_not_load_torch() -> None:
    assert "torch" not in loaded_by("import lmmix.ngram.estimate, lmmix.mix.mixture, lmmix.nbest.rescore")


def test_public_names_are_there_and_documented() -> None:
    for name in lmmix.__all__:
        assert getattr(lmmix, name).__doc__
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lmmix.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_fit_in_a_head(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None and node.end_lineno - node.lineno < 75, node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body
    bodies = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))]
    for body in bodies:
        for node in body.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                inherited = isinstance(body, ast.ClassDef) and has_documented_protocol(body.name)
                assert inherited or ast.get_docstring(node), f"{node.name} has no docstring"


def has_documented_protocol(name: str) -> bool:
    return name.endswith("Tokenizer")


def test_public_names_stay_what_they_are() -> None:
    """A module must not take the place of the function that it holds."""
    for name in lmmix.__all__:
        first = getattr(lmmix, name)
        assert not inspect.ismodule(first) and getattr(lmmix, name) is first


def test_every_room_is_installed() -> None:
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    rooms = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert listed == rooms | {"lmmix.demo_data"}
