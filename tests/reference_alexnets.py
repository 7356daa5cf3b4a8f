"""Both AlexNets in NumPy, in float64, from the definitions of Caffe and PyTorch: maps [channels, height, width].

Weights are named as in `conversion`'s forms and have the axes of Caffe and PyTorch: output, input, height, width.
"""

from collections.abc import Mapping

import numpy as np

CAFFE_MEAN = np.array([104.00698793, 116.66876762, 122.67891434])
TORCHVISION_MEAN, TORCHVISION_STDDEV = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def caffe(weights: Mapping[str, np.ndarray], image: np.ndarray) -> dict[str, np.ndarray]:
    """bvlc_alexnet's deploy.prototxt, of an image [227, 227, 3], RGB in [0, 1]; maps by layer."""
    blobs: dict[str, np.ndarray] = {}
    x = (255 * image.astype(np.float64)[..., ::-1] - CAFFE_MEAN).transpose(2, 0, 1)
    settings = {
        "conv1": (4, 0, 1),
        "conv2": (1, 2, 2),
        "conv3": (1, 1, 1),
        "conv4": (1, 1, 2),
        "conv5": (1, 1, 2),
    }
    for layer, (stride, pad, groups) in settings.items():
        x = convolution(x, weights[f"{layer}[0]"], weights[f"{layer}[1]"], stride, pad, groups)
        blobs[layer] = x = np.maximum(x, 0)
        if layer in ("conv1", "conv2"):
            blobs[f"norm{layer[-1]}"] = x = across_channels(x, local_size=5, alpha=1e-4, beta=0.75)
        if layer in ("conv1", "conv2", "conv5"):
            blobs[f"pool{layer[-1]}"] = x = max_pooling(x)
    x = x.reshape(-1)
    for layer in ("fc6", "fc7"):
        blobs[layer] = x = np.maximum(weights[f"{layer}[0]"] @ x + weights[f"{layer}[1]"], 0)
    blobs["fc8"] = weights["fc8[0]"] @ x + weights["fc8[1]"]
    return blobs


def torchvision(weights: Mapping[str, np.ndarray], image: np.ndarray) -> dict[str, np.ndarray]:
    """torchvision.models.alexnet in evaluation, of an image [224, 224, 3], RGB in [0, 1]; maps by layer."""
    maps: dict[str, np.ndarray] = {}
    x = ((image.astype(np.float64) - TORCHVISION_MEAN) / TORCHVISION_STDDEV).transpose(2, 0, 1)
    settings = {
        "features.0": (4, 2),
        "features.3": (1, 2),
        "features.6": (1, 1),
        "features.8": (1, 1),
        "features.10": (1, 1),
    }
    for layer, (stride, pad) in settings.items():
        x = convolution(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], stride, pad, groups=1)
        maps[layer] = x = np.maximum(x, 0)
        if layer in ("features.0", "features.3", "features.10"):
            maps[f"pool after {layer}"] = x = max_pooling(x)
    assert x.shape[1:] == (6, 6)  # the adaptive pooling to 6×6 changes nothing
    x = x.reshape(-1)
    for layer in ("classifier.1", "classifier.4"):
        maps[layer] = x = np.maximum(weights[f"{layer}.weight"] @ x + weights[f"{layer}.bias"], 0)
    maps["classifier.6"] = weights["classifier.6.weight"] @ x + weights["classifier.6.bias"]
    return maps


def convolution(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, pad: int, groups: int
) -> np.ndarray:
    """Cross-correlation, tap by tap."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    taps = kernel.shape[2]
    size = (x.shape[1] - taps) // stride + 1
    until = stride * (size - 1) + 1
    parts = []
    for inputs, kernels in zip(np.split(x, groups), np.split(kernel.astype(np.float64), groups), strict=True):
        y = np.zeros((len(kernels), size, size))
        for i in range(taps):
            for j in range(taps):
                y += np.tensordot(
                    kernels[:, :, i, j], inputs[:, i : i + until : stride, j : j + until : stride], 1
                )
        parts.append(y)
    return np.concatenate(parts) + bias[:, None, None]


def max_pooling(x: np.ndarray) -> np.ndarray:
    """3×3 windows with stride 2, none of them over the edge."""
    until = x.shape[1] - 2
    return np.max([x[:, i : i + until : 2, j : j + until : 2] for i in range(3) for j in range(3)], axis=0)


def across_channels(x: np.ndarray, local_size: int, alpha: float, beta: float) -> np.ndarray:
    """Caffe's LRN, whose k is 1 and whose alpha is divided by the window."""
    y, side = np.empty_like(x), local_size // 2
    for i in range(len(x)):
        energy = (x[max(0, i - side) : i + side + 1] ** 2).sum(axis=0)
        y[i] = x[i] / (1 + alpha / local_size * energy) ** beta
    return y
