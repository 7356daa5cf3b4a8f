"""What is proved of activation functions, against dense sampling: on random intervals, points and huge ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing.certificates.steps.curves import CURVES, Curve, PiecewiseLinear, elu

COUNT, SAMPLES = 300, 1001
KINKED: dict[str, Curve] = {
    "elu of 2.5": elu(2.5),
    "elu of 0.3": elu(0.3),
    "elu of -0.7": elu(-0.7),
    "absolute": PiecewiseLinear([0.0], [-1.0, 1.0]),
    "of every unit its own": PiecewiseLinear([0.0], [np.linspace(-2, 2, COUNT), 1.0]),
}


def intervals(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A point, and the ends of an interval around it, [COUNT] each."""
    random = np.random.default_rng(seed)
    ends = np.sort(random.normal(scale=3, size=(COUNT, 2)), axis=1)
    ends[:20, 1] = ends[:20, 0]  # points
    ends[20:40] *= 30  # saturated
    ends[40:50] *= 1e5
    ends[50:70] *= 1e-6
    ends[70:90] = ends[70:90, :1] + [0, 1e-12]  # hardly more than rounding
    at = ends[:, 0] + random.uniform(size=COUNT) * (ends[:, 1] - ends[:, 0])
    return np.clip(at, *ends.T), *ends.T


@pytest.mark.parametrize("name", [*CURVES, *KINKED])
def test_what_is_proved_of_a_curve_holds_for_dense_samples(name: str) -> None:
    curve = {**CURVES, **KINKED}[name]
    z, lower, upper = intervals(0)
    samples = np.concatenate([lower + (upper - lower) * np.linspace(0, 1, SAMPLES)[:, None], z[None]])
    samples = np.clip(samples, lower, upper)
    values = curve.value(tf.constant(samples)).numpy()
    if name in CURVES:  # it is Keras' own function
        own = np.asarray(getattr(keras.activations, name)(tf.constant(samples)))
        np.testing.assert_allclose(values, own, rtol=1e-6, atol=1e-10)
    least, largest = (v.numpy() for v in curve.enclose(tf.constant(lower), tf.constant(upper)))
    rounded = 1e-13 * (1 + np.abs(values).max(axis=0))
    assert (values >= least - rounded).all()
    assert (values <= largest + rounded).all()
    runs, rises = np.abs(np.diff(samples[:-1], axis=0)), np.abs(np.diff(values[:-1], axis=0))
    assert (rises <= curve.slope * runs * (1 + 1e-9) + rounded).all()
    random = np.random.default_rng(1)
    proved_least = tf.function(curve.proved_least, autograph=False)  # as nets are proved that are not small
    for scale in (0.0, 0.1, 3.0):
        c, g = random.normal(size=(2, COUNT))
        t, p = scale * random.exponential(size=(2, COUNT))
        g = np.where(random.uniform(size=COUNT) < 0.5, c * random.uniform(size=COUNT), g)
        of_units = [tf.constant(v) for v in (c, t, g, p, z, lower, upper)]
        proved = proved_least(*of_units).numpy()
        rise, run = values - values[-1], samples - z
        sampled = (rise * (c - 0.5 * t * rise) - run * (g - 0.5 * p * run)).min(axis=0)
        largest_rise, length = np.abs(rise).max(axis=0), upper - lower
        terms = np.abs(c) * largest_rise + np.abs(g) * length + t * largest_rise**2 + p * length**2
        assert (proved <= sampled + 1e-12 * (1 + np.abs(values[-1])) * (1 + terms)).all()
        usual = length < 4
        assert (sampled - proved <= 1e-2 * terms + 1e-9)[usual].all()  # and it is no idle bound
