"""Models as users have them: objects, saved files, SavedModels."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

import keras_intriguing.models  # noqa: F401 (registers the package's layers)

SUFFIXES = (".keras", ".h5")
_FORWARD = ("predict", "predict_on_batch")  # methods that give what calling the model gives


def load(path: str | Path) -> Any:
    """A saved Keras model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it could not be loaded.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    try:
        return keras.saving.load_model(path, compile=False)  # a loss of one's own is not needed
    except Exception as error:  # Keras, h5py and zipfile each raise their own
        if lost := re.search(r"Could not locate (?:class|function) '([^']+)'", str(error)):
            raise ValueError(
                f"{path} holds {lost[1]!r}, which is not Keras' own. Import it where it is defined, registered by "
                "@keras.saving.register_keras_serializable(), before the model is loaded; then pass the model to the Python function "
                "(keras_intriguing.minimal_distortion, examine, …). Commands load models of Keras' own layers only."
            ) from error
        raise ValueError(f"{path} could not be loaded as a saved Keras model: {error}") from error


def as_model(model: Any, needs_gradient: bool = True) -> Any:
    """The model of a path to a saved one (.keras, .h5), the function of a SavedModel, or the model itself.

    Args:
        model: any of these.
        needs_gradient: of the outputs by the images; without, a model's method `predict` will do: it stands for the model.

    Raises:
        FileNotFoundError, ValueError: see `load`; or a SavedModel has no function with one output.
        TypeError: text that is no such path, or, where a gradient is needed, a model's method `predict`.
    """
    whose, method = getattr(model, "__self__", None), getattr(model, "__name__", "")
    if isinstance(whose, keras.Model) and method.startswith("predict"):
        if needs_gradient:
            raise TypeError(
                f"Pass the model itself, not its method {method}, which gives NumPy arrays, without gradients."
            )
        as_called = all(
            getattr(type(whose), name) is getattr(keras.Model, name) for name in (method, "predict_step")
        )
        return whose if method in _FORWARD and as_called else model
    if isinstance(model, (str, Path)):
        if Path(model).suffix in SUFFIXES:
            return load(model)
        raise TypeError(
            f"model must be a Keras model or a function, not {type(model).__name__} {str(model)!r}. A preset is loaded first: "
            f"keras_intriguing.from_preset(name). Files of Keras models end in {' or '.join(SUFFIXES)}; a folder with a SavedModel is loaded "
            "with tf.saved_model.load(path)."
        )
    if not callable(model) and hasattr(model, "signatures"):
        return _function_of_saved_model(model)
    return model


def _function_of_saved_model(saved: Any) -> Callable:
    # The functions hold `saved`, without which its variables would be deleted.
    if callable(getattr(saved, "serve", None)):  # as Keras exports it

        def serve(x: Any) -> Any:
            return saved.serve(x)

        return serve
    signatures = saved.signatures
    serving = signatures.get("serving_default")
    inputs = serving.structured_input_signature[1] if serving else {}
    outputs = serving.structured_outputs if serving else {}
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"The SavedModel has no function serving_default with one input and one output; it has {', '.join(signatures) or 'none'}. "
            "Pass a function that picks the logits."
        )
    (given,), (name,) = inputs, outputs

    def serving_default(x: Any) -> Any:
        return saved.signatures["serving_default"](**{given: keras.ops.convert_to_tensor(x)})[name]

    return serving_default
