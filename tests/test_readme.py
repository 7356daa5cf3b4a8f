"""What README.md and the folders' own say is what is there: commands, code, links, the errors of the checkpoints."""

import contextlib
import io
import itertools
import re
import socket
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.presets import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ZOO = (ROOT / "zoo" / "README.md").read_text(encoding="utf-8")
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("keras_intriguing/README.md", "reproductions/README.md", "zoo/README.md"),
)
LINES, WIDTH, WORDS = 170, 120, 80
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d+\.\d+")


def _percent(preset: str, split: str) -> str:
    return f"{100 * ki.presets.load_metrics(preset)[f'{split}_error']:.2f}%"


@pytest.mark.parametrize("preset", registry.packaged())
def test_errors_are_the_recorded_ones(preset: str) -> None:
    metrics = ki.presets.load_metrics(preset)
    errors = (_percent(preset, split) for split in ("train", "test"))
    paper = (f" ({percent:g}%)" if percent is not None else "" for percent in metrics["recipe"]["paper"])
    train, test = (ours + theirs for ours, theirs in zip(errors, paper, strict=True))
    row = f"| `{preset}` | {metrics['recipe']['model']} | {train} | {test} |"
    assert row in ZOO


def test_errors_of_other_seeds_and_of_nets_on_photographs_are_the_recorded_ones() -> None:
    elsewhere = [preset for preset in ki.list_presets() if preset not in registry.packaged()]
    for preset in elsewhere:
        if "_imagenette" in preset:
            model = ki.presets.load_metrics(preset)["recipe"]["model"]
            row = f"| `{preset}` | {model} | {_percent(preset, 'train')} | {_percent(preset, 'test')} |"
        else:
            recipe = re.sub(r"_seed\d+$", "", preset)
            errors = (_percent(name, "test") for name in registry.training_runs(recipe))
            row = f"| `{recipe}` | {' | '.join(errors)} |"
        assert row in ZOO, preset


def test_the_presets_of_the_readme_are_rows_of_the_zoo() -> None:
    rows = [line for line in README.splitlines() if re.match(r"\| `\w+_(mnist|imagenette)", line)]
    assert len(rows) == 6
    for row in rows:
        assert row in ZOO


def test_continuous_integration_runs_the_test_command() -> None:
    command = 'pip install ".[test]" && python -m pytest'
    assert command in README
    assert command.replace("pip install", "pip install --quiet") in (ROOT / ".ci" / "run").read_text()


def test_the_readme_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > WIDTH] == []
    prose = _FENCE.sub("\n", README)
    prose = re.sub(r"^\|.*$", "", prose, flags=re.MULTILINE)
    paragraphs = re.split(r"\n\s*\n|\n(?=- |\d\. )", prose)
    assert [text for text in paragraphs if len(text.split()) > WORDS] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    assert links
    for link in links:
        if not link.startswith(("http://", "https://")):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), link
            assert not anchor or anchor in _anchors(target), link


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", path.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_code_prints_what_is_said(document: str, tmp_path: Path, monkeypatch) -> None:
    """All blocks in order, in one namespace, without a network. Decimal numbers may differ by a tenth."""

    def refuse(*arguments: object) -> None:
        raise OSError("The code of the documents needs no network.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, object] = {}
    blocks = _FENCE.findall((ROOT / document).read_text(encoding="utf-8"))
    for (language, code), (follower, output) in itertools.pairwise(blocks):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, document, "exec"), namespace)
        expected = output if not follower else ""
        assert _NUMBER.sub("#", printed.getvalue()) == _NUMBER.sub("#", expected)
        numbers = (np.array(_NUMBER.findall(text), float) for text in (printed.getvalue(), expected))
        np.testing.assert_allclose(*numbers, rtol=0.1)
    if document == "README.md":
        assert (namespace["towards_3"].label_after == 3).all()
        certified, found = (namespace[name].distortion for name in ("certified", "result"))
        assert (certified <= found).all()
        assert certified.mean() > 0.5 * found.mean()
        picture, shown = (
            matplotlib.image.imread(folder / "digits.png") for folder in (tmp_path, ROOT / "docs")
        )
        assert np.abs(picture - shown).mean() < 0.01
