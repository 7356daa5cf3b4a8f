"""What the README says of the checkpoints and of its commands is what is there."""

from pathlib import Path

import pytest

import keras_intriguing as ki
from keras_intriguing.presets import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", registry.packaged())
def test_errors_are_the_recorded_ones(preset: str) -> None:
    metrics = ki.presets.load_metrics(preset)
    errors = (f"{100 * metrics[f'{split}_error']:.2f}%" for split in ("train", "test"))
    paper = (f" ({percent:g}%)" if percent is not None else "" for percent in metrics["recipe"]["paper"])
    train, test = (ours + theirs for ours, theirs in zip(errors, paper, strict=True))
    row = f"| `{preset}` | {metrics['recipe']['model']} | {train} | {test} |"
    assert row in README


def test_continuous_integration_runs_the_test_command() -> None:
    command = 'pip install ".[test]" && python -m pytest'
    assert command in README
    assert command.replace("pip install", "pip install --quiet") in (ROOT / ".ci" / "run").read_text()
