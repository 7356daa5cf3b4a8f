"""The notebooks run from top to bottom, and were run before they were stored."""

import functools
import json
from pathlib import Path

import pytest

import keras_intriguing as ki

NOTEBOOKS = sorted((Path(__file__).parents[2] / "reproductions" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_has_its_pictures(
    path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With quick certificates: how tight they are is the certificates' own test."""
    quick = functools.partial(ki.certified_distortion, effort="quick")
    monkeypatch.setattr(ki, "certified_distortion", quick)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert sum("image/png" in output.get("data", ()) for output in outputs) >= 3
    namespace: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path.name, "exec"), namespace)
    assert namespace["result"].success.all()
    assert (namespace["certificate"].l2 <= namespace["result"].l2).all()
    assert "certified" in capsys.readouterr().out
