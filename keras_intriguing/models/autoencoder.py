"""The paper's AE400-10: a softmax on the code of a sparse autoencoder."""

from typing import Any

import keras

from keras_intriguing.models.base import PresetModel
from keras_intriguing.models.dense import CLASSES, IMAGE_SHAPE


@keras.saving.register_keras_serializable(package="keras_intriguing")
class AE400_10(PresetModel):
    """Sparse autoencoder of 400 sigmoid units and a softmax trained on its code (paper, Table 1).

    Images [B, 28, 28, 1] in [0, 1] to logits [B, 10]: 318,010 parameters. The decoder, 314,384 more, is no
    part of the logits' graph; it is saved with the model.

    Attributes:
        encoder: Dense layer, flattened image to code [B, 400].
        decoder: Dense layer, code to flattened image, sigmoid as the pixels are in [0, 1].
        classifier: Dense layer, code to logits.
    """

    code_units = 400

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        flat = keras.layers.Flatten(name="flatten")(inputs)
        encoder = keras.layers.Dense(self.code_units, activation="sigmoid", name="code")
        classifier = keras.layers.Dense(CLASSES, name="logits")
        code = encoder(flat)
        super().__init__(inputs=inputs, outputs=classifier(code), name=name, **kwargs)
        self.encoder = encoder
        self.classifier = classifier
        self.decoder = keras.layers.Dense(flat.shape[-1], activation="sigmoid", name="decoder")
        self.decoder.build(code.shape)

    def reconstruct(self, images: Any) -> Any:
        """The autoencoder's reconstruction of images [B, 28, 28, 1], of the same shape, in [0, 1]."""
        code = self.encoder(keras.layers.Flatten()(images))
        return keras.ops.reshape(self.decoder(code), (-1, *IMAGE_SHAPE))
