"""Presets out of weights in the forms of other programs."""

from collections.abc import Sequence
from pathlib import Path

from keras_intriguing import files, presets
from keras_intriguing.classifiers.per_image import in_order
from keras_intriguing.conversion import weight_files
from keras_intriguing.conversion.alexnet import CAFFE, TORCHVISION, AlexNetForm
from keras_intriguing.conversion.efficientnet import LITE0, EfficientNetForm
from keras_intriguing.conversion.entries import Mismatch
from keras_intriguing.presets import cards

_PYTORCH: list[AlexNetForm | EfficientNetForm] = [TORCHVISION, LITE0]
_FORMS: dict[str, list[AlexNetForm | EfficientNetForm]] = {
    ".npy": [CAFFE],
    ".pth": _PYTORCH,
    ".safetensors": _PYTORCH,
}


def convert(weights: str | Path, folder: str | Path, class_names: Sequence[str] | None = None) -> Path:
    """Makes a preset of weights in the form of another program; no code in the file is run.

    Known are Caffe's `bvlc_alexnet` as `.npy` (a dictionary of layers, with the axes in TensorFlow's order or in
    Caffe's), which becomes `models.AlexNet`; torchvision's `alexnet` as `.pth` or `.safetensors`, which becomes
    `models.TorchvisionAlexNet`; and EfficientNet-Lite0 with the names of its PyTorch port, in the same files, which
    becomes `models.EfficientNetLite0`. Any number of classes will do. All models take RGB in [0, 1].

    Caffe's net takes pixels of 0 to 255, blue first, less ImageNet's mean. All of that goes into its first layer, which
    pads nothing: with kernel W and bias b there, 255·W with its channels reversed and b − Σ W·mean give the same. Files
    with the same names and shapes of other networks, such as Caffe's `bvlc_reference_caffenet`, which normalizes after
    pooling, or of weights for RGB, cannot be told apart and give wrong logits.

    Args:
        weights: the file.
        folder: where the preset is written.
        class_names: the words for the classes, in the weights' order, where they are known.

    Returns:
        The folder.

    Raises:
        ValueError: a file of another form or architecture, damaged, with numbers that are no finite floats, or whose
            pickle asks for anything that weights do not need; or other names than classes.
        FileNotFoundError: there is no such file.
        FileExistsError: the folder holds a finished preset.
        OSError: the folder cannot be written.
        TypeError: the names are in no order.
    """
    path, folder = Path(weights), Path(folder)
    forms = _FORMS.get(path.suffix.lower())
    if forms is None:
        known = "; ".join(
            f"{suffix}: {' or '.join(form.title for form in forms)}" for suffix, forms in _FORMS.items()
        )
        raise ValueError(f"The form of {path} is not known by its suffix. Known are {known}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    presets.require_vacant(folder)
    files.require_writable(folder / presets.METRICS)
    entries = weight_files.read(path)
    form = next((form for form in forms if form.mark in entries), forms[0])
    try:
        model = form.model(entries)
    except Mismatch as error:
        raise ValueError(f"{path} does not hold the weights of {form.title}: {error}") from error
    classes = model.output_shape[-1]
    names = None if class_names is None else in_order(class_names, "class_names")
    if names is not None and len(names) != classes:
        raise ValueError(f"{path} has weights of {classes} classes, but there are {len(names)} names.")
    metrics = {
        "preset": folder.resolve().name,
        "model": type(model).__name__,
        "form": form.title,
        "classes": classes if names is None else names,
        "parameters": model.count_params(),
        "source": {"file": path.name, "sha256": files.sha256(path), "bytes": path.stat().st_size},
        "versions": presets.versions(),
        "command": f"keras-intriguing convert {path.name} --out {folder.name}",
    }
    presets.save_to_preset(model, folder, metrics, cards.converted(metrics, form.use))
    return folder
