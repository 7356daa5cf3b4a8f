"""What all models of the package share: names, configuration and presets."""

from typing import Any, Self

import keras

from keras_intriguing import presets


class PresetModel(keras.Model):
    """A functional Keras model that gives logits and can be saved to and loaded from a preset.

    A subclass builds its graph in `__init__` and passes `inputs` and `outputs` on. Its configuration is what
    its constructor takes; weights are no part of it. All take pixels in [0, 1].

    Attributes:
        class_names: words for the classes by their number, which results then print; None where there are none.
    """

    class_names: tuple[str, ...] | None = None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Self:
        """A new model, with fresh weights, from `get_config`'s dictionary."""
        return cls(**config)

    @classmethod
    def from_preset(cls, preset: str) -> Self:
        """Loads a trained checkpoint by name or folder; see `keras_intriguing.from_preset`.

        Raises:
            ValueError: the preset holds a model of another class.
        """
        model = presets.from_preset(preset)
        if not isinstance(model, cls):
            raise ValueError(
                f"Preset {preset!r} holds a {type(model).__name__}, not a {cls.__name__}. "
                f"Use {type(model).__name__}.from_preset or keras_intriguing.from_preset."
            )
        return model
