"""What the documents say is so: commands run, every command and option is described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lmmix.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def run_in(folder: Path, command: list[str]) -> str:
    """Run with the `lmmix` of this environment first on the path; gives standard output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "data").symlink_to(ROOT / "data")
    return folder


@pytest.mark.slow
def test_quickstart_runs(checkout: Path) -> None:
    pytest.importorskip("torch")
    page = ROOT / "docs" / "quickstart.md"
    output = run_in(checkout, ["bash", "-euo", "pipefail", "-c", "\n".join(blocks(page, "sh"))])
    for expected in ("nats per event", "lm:mix", "first-best", "install"):
        assert expected in output
    for code in blocks(page, "python"):
        assert "[" in run_in(checkout, [sys.executable, "-c", code])


@pytest.mark.slow
def test_readme_commands_run(tmp_path: Path) -> None:
    """With small texts in place of the reader's own, and a one-epoch network."""
    pytest.importorskip("torch")
    from conftest import LINES, NBEST

    for name in ("news", "talks", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text("\n".join(LINES * 3) + "\n")
    import json

    for name in ("dev", "test"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in NBEST))
    use = [block for block in blocks(ROOT / "README.md", "sh") if "\nlmmix " in block]
    run_in(tmp_path, ["bash", "-euo", "pipefail", "-c", "\n".join(use)])
    for written in ("rescored.jsonl", "both.arpa.gz", "weights-only.json"):
        assert (tmp_path / written).is_file()
    for code in blocks(ROOT / "README.md", "python"):
        assert run_in(tmp_path, [sys.executable, "-c", code])


@pytest.mark.parametrize("name", COMMANDS)
def test_command_page_has_every_option(name: str) -> None:
    """docs/cli.md is written by tools/cli_docs; run it after changing a command."""
    page = (ROOT / "docs" / "cli.md").read_text()
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    command = group.get_command(click.Context(group), name)
    assert command is not None and command.help
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else []:
            assert option in section, f"{option} is not in docs/cli.md: run tools/cli_docs"


def test_links_between_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
