"""Descents from many starts side by side, each asking for one gradient at a time.

A descent looks for a local minimum of ‖v − x‖ s.t. h(v) ≤ 0, v in the box, where h is negative where v is adversarial.
It tells at which point u it wants h and its gradient, and moves on when it is given them (`update`), in one of four modes:

- WALK: gradient steps at a norm that shrinks inside the other class and else grows (Rony et al. 2019, arXiv:1811.09600,
  algorithm 1). It finds the class even where the gradient at x says little, and ends some percent above the optimum.
- BRACKET: bisection between x and an image of another class; a few times, but where no gradient shows the way, to its end.
- PROJECT: sequential quadratic programming. h is linearized, and the step goes to the projection of v − (v − x)/τ onto
  the half-space and the box; τ is the curvature of the Lagrangian along the last step, as Barzilai and Borwein 1988
  choose it, and the merit may rise for a few steps (Birgin, Martínez and Raydan 2000). The merit is the estimated
  distance to the boundary along the ray from x through v, by the linearization.
- CONFIRM: Newton's method along that ray, each time a growing hair beyond the boundary, until it is met from inside.

Shapes: R descents, images of n values.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.projection import dot, norm, project, project_onto_all

WALK, BRACKET, PROJECT, CONFIRM, DONE = range(5)
WALK_STEPS, BRACKET_STEPS, CONFIRM_STEPS = 25, 4, 5
_BLIND_BRACKET_STEPS = 16
_GROWTH = 0.1  # of the walk's norm
_MEMORY = 4  # steps over which the merit may rise, or has to fall
CUTS = 6
_FIRST = 4  # steps that every descent is given
_BLIND = 8  # steps, while the ray through v does not approach the boundary
_SLACK = 1.2  # a descent whose merit is above the incumbent by more than this factor ends
_LEAST_GAIN = 1e-4  # relative, worth a confirmation
_TAU = (0.5, 50.0)


class Descents(NamedTuple):
    """The states of R descents.

    Attributes:
        x: the images [R, n].
        u: where the gradient is wanted [R, n].
        mode: int [R], and `step`, how many updates it has had in that mode.
        left: gradients that it may still ask for, int [R].
        v, h, a: the last accepted point [R, n], the constraint [R] and its gradient [R, n]; while bracketing, v is the image of
            another class, and a the gradient at the far end, zero where it is not known.
        merit: the estimated distance to the boundary on the ray through v [R].
        tau: the curvature [R], and `floor` below which it must not be: a start far from x is drawn to it slowly.
        norm: of the walk [R], or the two ends of the bracket on the way from x to v, `norm` and `far`.
        tolerance: a descent ends when its merit fell by no more than this share in four steps [R].
        best, best_merit: the point of the smallest merit [R, n], [R].
        found, distance: the nearest adversarial point [R, n] and its distance [R], infinite where there is none.
        merits: the last four of accepted points, and `bests`, the best ones [R, 4].
        cuts, offsets, weights: linearizations a·v + c of the constraint at several points, and their multipliers, negative
            where there is none; [R, m, n], [R, m], [R, m]. m = 0 where the constraint is smooth but for the net's own kinks.
    """

    x: tf.Tensor
    u: tf.Tensor
    mode: tf.Tensor
    step: tf.Tensor
    left: tf.Tensor
    v: tf.Tensor
    h: tf.Tensor
    a: tf.Tensor
    merit: tf.Tensor
    tau: tf.Tensor
    floor: tf.Tensor
    norm: tf.Tensor
    far: tf.Tensor
    tolerance: tf.Tensor
    best: tf.Tensor
    best_merit: tf.Tensor
    found: tf.Tensor
    distance: tf.Tensor
    merits: tf.Tensor
    bests: tf.Tensor
    cuts: tf.Tensor
    offsets: tf.Tensor
    weights: tf.Tensor


def begin(
    x: tf.Tensor,
    start: tf.Tensor,
    mode: tf.Tensor,
    left: tf.Tensor,
    floor: tf.Tensor,
    tolerance: tf.Tensor,
    cuts: int,
    box: Box,
) -> Descents:
    """Descents from their starts [R, n]: points, for BRACKET images of another class; see `Descents`.

    `cuts` is m: `CUTS` to reach a class, whose constraint is a maximum over the other classes, else 0.
    """
    zero = tf.zeros_like(floor)
    infinite = tf.fill(tf.shape(floor), np.float32(np.inf))
    unknown = tf.fill(tf.stack([tf.shape(floor)[0], _MEMORY]), np.float32(np.inf))
    bracket = mode == BRACKET
    u = tf.where(bracket[:, None], (x + start) / 2, start)
    return Descents(
        x=x,
        u=u,
        mode=mode,
        step=tf.zeros_like(mode),
        left=left,
        v=start,
        h=zero,
        a=tf.zeros_like(x),
        merit=infinite,
        tau=tf.ones_like(floor),
        floor=floor,
        norm=tf.where(bracket, zero, box.reach),
        far=tf.ones_like(floor),
        tolerance=tolerance,
        best=u,
        best_merit=infinite,
        found=x,
        distance=infinite,
        merits=unknown,
        bests=unknown,
        cuts=tf.tile(tf.zeros_like(x)[:, None], [1, cuts, 1]),
        offsets=tf.tile(zero[:, None], [1, cuts]),
        weights=tf.tile(-tf.ones_like(zero)[:, None], [1, cuts]),
    )


def update(
    state: Descents, h: tf.Tensor, a: tf.Tensor, good: tf.Tensor, incumbent: tf.Tensor, box: Box
) -> Descents:
    """Moves the descents on by what was computed at u.

    Args:
        state: of all.
        h: the constraint at u [R].
        a: its gradient [R, n].
        good: whether u is adversarial [R].
        incumbent: the smallest distance that is known for the image [R].
        box: of every pixel.
    """
    live = state.mode != DONE
    length = norm(state.u - state.x)
    nearer = live & good & (length < state.distance)
    state = state._replace(
        found=_choose(nearer, state.u, state.found), distance=tf.where(nearer, length, state.distance)
    )
    modes = (
        _walk(state, a, good, box),
        _bracket(state, a, good),
        _project(state, h, a, length, incumbent, box),
        _confirm(state, h, a, good, length, incumbent, box),
    )
    after = state
    for number, moved in zip((WALK, BRACKET, PROJECT, CONFIRM), modes, strict=True):
        after = merge(state.mode == number, moved, after)
    spent = after.left <= 1
    return after._replace(
        left=tf.where(live, after.left - 1, after.left),
        mode=tf.where(live & spent, DONE, after.mode),
        step=tf.where(after.mode == state.mode, state.step + 1, 0),
    )


def merge(chosen: tf.Tensor, new: Descents, old: Descents) -> Descents:
    """The descents of `new` where chosen, bool [R], else those of `old`."""
    return Descents(*(_choose(chosen, *pair) for pair in zip(new, old, strict=True)))


def _choose(chosen: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    if new is old:
        return old
    return tf.where(tf.reshape(chosen, [-1, *[1] * (new.shape.rank - 1)]), new, old)


def _walk(state: Descents, a: tf.Tensor, good: tf.Tensor, box: Box) -> Descents:
    r = state.u - state.x
    length = norm(r)
    target = tf.where(good, tf.minimum(length, state.norm) * (1 - _GROWTH), state.norm * (1 + _GROWTH))
    part = tf.cast(state.step, tf.float32) / WALK_STEPS
    size = box.reach * (0.01 + 0.495 * (1 + tf.cos(np.pi * part)))
    r = r - size[:, None] * _normalized(a)
    r = target[:, None] * _normalized(r)
    u = box.clip(state.x + r)
    ends = state.step + 1 >= WALK_STEPS
    u = _choose(ends & tf.math.is_finite(state.distance), state.found, u)
    return state._replace(u=u, norm=target, mode=tf.where(ends, PROJECT, state.mode))


def _normalized(a: tf.Tensor) -> tf.Tensor:
    """Rows of length 1 [R, n], but for zeros."""
    return a * tf.math.rsqrt(tf.maximum(dot(a, a), 1e-30))[:, None]


def _bracket(state: Descents, a: tf.Tensor, good: tf.Tensor) -> Descents:
    middle = (state.norm + state.far) / 2
    near, far = tf.where(good, state.norm, middle), tf.where(good, middle, state.far)
    a_far = _choose(good, a, state.a)
    is_steep, far_is_steep = dot(a, a) > 0, dot(a_far, a_far) > 0
    is_blind = ~far_is_steep & ((far < 1) | ~is_steep)
    ends = state.step + 1 >= tf.where(is_blind, _BLIND_BRACKET_STEPS, BRACKET_STEPS)
    # where the far end is flat, the last point is near the boundary, and a gradient there shows the way on
    part = tf.where(ends, tf.where(is_blind & is_steep, middle, far), (near + far) / 2)
    u = state.x + part[:, None] * (state.v - state.x)
    return state._replace(u=u, a=a_far, norm=near, far=far, mode=tf.where(ends, PROJECT, state.mode))


def _merit(r: tf.Tensor, length: tf.Tensor, h: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    """The distance from x at which its ray through x + r meets the boundary, by the linearization there [R]."""
    slope = dot(a, r)
    estimate = length * (1 - tf.math.divide_no_nan(h, slope))
    inside = tf.where(slope < 0, tf.clip_by_value(estimate, 0.0, length), length)
    outside = tf.where(slope < 0, estimate, np.inf)
    return tf.where(h <= 0, inside, outside)


def _recorded(merit: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """A merit with what its linearization may miss, which grows with the square of the way to the boundary [R]."""
    return merit * (1 + (1 - tf.math.divide_no_nan(merit, length)) ** 2)


def _project(
    state: Descents,
    h: tf.Tensor,
    a: tf.Tensor,
    length: tf.Tensor,
    incumbent: tf.Tensor,
    box: Box,
) -> Descents:
    x, u, first = state.x, state.u, state.step == 0
    merit = _merit(u - x, length, h, a)
    recorded = _recorded(merit, length)
    better = recorded < state.best_merit
    best, best_merit = _choose(better, u, state.best), tf.minimum(recorded, state.best_merit)

    # the step from v to u: whether it is accepted, and the curvature along it
    highest = tf.reduce_max(state.merits, axis=-1)
    accepted = first | (state.floor > 1) | (merit <= highest) | ~tf.math.is_finite(state.merit)
    tau = tf.maximum(state.tau, state.floor)
    step = u - state.v
    multiplier = state.norm  # of the projection that led to u
    h_at_u, a_at_u = h, a
    curvature = 1 + multiplier * tf.math.divide_no_nan(dot(step, a - state.a), dot(step, step))
    tau = tf.where(first, 1.0, tf.where(accepted, tf.clip_by_value(curvature, *_TAU), 3 * tau))
    floor = tf.where(first, state.floor, tf.maximum(0.9 * state.floor, 1.0))
    v, h, a = _choose(accepted, u, state.v), tf.where(accepted, h, state.h), _choose(accepted, a, state.a)
    merit = tf.where(accepted, merit, state.merit)

    # the next one
    damping = tf.maximum(tau, floor)
    p = v - (v - x) / damping[:, None]
    if state.cuts.shape[1]:
        target, cuts = _onto_cuts(state, p, h_at_u, a_at_u, damping, box)
        lam = tf.zeros_like(h)
    else:
        guess = multiplier / damping
        guess = tf.where(first | ~tf.math.is_finite(guess), 0.0, guess)
        target, lam = project(p, v, h, a, guess, box)
        cuts = (state.cuts, state.offsets, state.weights)

    stalls = state.bests[:, 0] - best_merit <= state.tolerance * best_merit
    hopeless = best_merit > _SLACK * incumbent
    blind = (state.step >= _BLIND) & ~tf.math.is_finite(best_merit)
    ends = (state.step >= _FIRST) & (floor <= 1) & (stalls | hopeless) | blind
    promising = best_merit < (1 - _LEAST_GAIN) * tf.minimum(incumbent, state.distance)
    mode = tf.where(ends, tf.where(promising & ~hopeless, CONFIRM, DONE), state.mode)
    after = state._replace(
        v=v,
        h=h,
        a=a,
        merit=merit,
        tau=tau,
        floor=floor,
        norm=lam * damping,
        best=best,
        best_merit=best_merit,
        merits=tf.concat([state.merits[:, 1:], merit[:, None]], axis=1),
        bests=tf.concat([state.bests[:, 1:], best_merit[:, None]], axis=1),
        mode=mode,
        cuts=cuts[0],
        offsets=cuts[1],
        weights=cuts[2],
    )
    return after._replace(u=_choose(ends, _beyond(after, tf.zeros_like(state.step), box), target))


def _onto_cuts(
    state: Descents, p: tf.Tensor, h: tf.Tensor, a: tf.Tensor, damping: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """The projection of p onto the linearizations at u and at earlier points; those above h at u are wrong, and left out."""
    weights = tf.where(state.step[:, None] == 0, -1.0, state.weights)
    values = tf.einsum("rmn,rn->rm", state.cuts, state.u) + state.offsets
    weights = tf.where(values <= (h + 0.02 * tf.abs(h))[:, None] + 1e-6, weights, -1.0)
    place = tf.one_hot(tf.argmin(weights, axis=-1), weights.shape[1], on_value=True, off_value=False)
    cuts = tf.where(place[:, :, None], a[:, None], state.cuts)
    offsets = tf.where(place, (h - dot(a, state.u))[:, None], state.offsets)
    weights = tf.where(place, 0.0, weights)
    scale = damping[:, None]
    target, weights = project_onto_all(p, cuts, offsets, weights / scale, box)
    return target, (cuts, offsets, weights * scale)


def _beyond(state: Descents, step: tf.Tensor, box: Box) -> tf.Tensor:
    """A point on the ray through the best one, beyond the estimated boundary by a hair that grows with `step` [R]."""
    r = state.best - state.x
    part = tf.math.divide_no_nan(state.best_merit, norm(r)) * (1 + 1e-5 * 4.0 ** tf.cast(step, tf.float32))
    return box.clip(state.x + tf.where(tf.math.is_finite(part), part, 1.0)[:, None] * r)


def _confirm(
    state: Descents,
    h: tf.Tensor,
    a: tf.Tensor,
    good: tf.Tensor,
    length: tf.Tensor,
    incumbent: tf.Tensor,
    box: Box,
) -> Descents:
    merit = _merit(state.u - state.x, length, h, a)
    merit = tf.where(tf.math.is_finite(merit), merit, length)
    is_met = good & (merit >= (1 - _LEAST_GAIN) * length)
    ends = is_met | (state.step + 1 >= CONFIRM_STEPS) | (merit > incumbent)
    after = state._replace(best=state.u, best_merit=merit, mode=tf.where(ends, DONE, state.mode))
    return after._replace(u=_beyond(after, state.step + 1, box))
