"""The paper's networks, and others whose weights people have. Every model takes images and gives logits."""

from keras_intriguing.models.alexnet import AlexNet, AlexNetSmall
from keras_intriguing.models.autoencoder import AE400_10
from keras_intriguing.models.convnet import MNISTConvNet
from keras_intriguing.models.dense import FC10, FC100_100_10, FC123_456_10, FC200_200_10
from keras_intriguing.models.efficientnet import EfficientNetLite0
from keras_intriguing.models.local import L2Pooling, LocalContrastNormalization, LocalFilters
from keras_intriguing.models.normalization import LocalResponseNormalization
from keras_intriguing.models.quocnet import QuocNet
from keras_intriguing.models.torchvision_alexnet import TorchvisionAlexNet

__all__ = [
    "AE400_10",
    "FC10",
    "FC100_100_10",
    "FC123_456_10",
    "FC200_200_10",
    "AlexNet",
    "AlexNetSmall",
    "EfficientNetLite0",
    "L2Pooling",
    "LocalContrastNormalization",
    "LocalFilters",
    "LocalResponseNormalization",
    "MNISTConvNet",
    "QuocNet",
    "TorchvisionAlexNet",
]
