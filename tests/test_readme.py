"""What the README says of the checkpoints and of its commands is what is there."""

from pathlib import Path

import pytest

import keras_intriguing as ki
from keras_intriguing import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", registry.packaged())
def test_errors_are_the_recorded_ones(preset: str) -> None:
    metrics = ki.presets.load_metrics(preset)
    train, test = (100 * metrics[f"{split}_error"] for split in ("train", "test"))
    paper = metrics["recipe"]["paper"]
    row = f"| `{preset}` | {metrics['recipe']['model']} | {train:.2f}% ({paper[0]:g}%) | {test:.2f}% ({paper[1]:g}%) |"
    assert row in README


def test_continuous_integration_runs_the_test_command() -> None:
    command = 'pip install ".[test]" && python -m pytest'
    assert command in README
    assert command.replace("pip install", "pip install --quiet") in (ROOT / ".ci" / "run").read_text()
