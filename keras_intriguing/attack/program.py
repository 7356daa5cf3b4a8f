"""The attack's steps as compiled functions, for all models with the same graph.

Shapes: B images of n values, K classes; x, v, ν [B, n].
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing import optimize
from keras_intriguing.attack import descent
from keras_intriguing.attack.descent import Descents
from keras_intriguing.attack.goal import Goal
from keras_intriguing.attack.problem import Box, Candidate, Problem
from keras_intriguing.attack.projection import project

WALK_STEPS = 40
PROJECTIONS = 4
BOX_PENALTY = 50.0
_EXTENSIONS, _BISECTIONS = 10, 20
_REMAINING = 0.5  # of the descents, below which the rows of the others are wanted for new ones
SHORTENING = _EXTENSIONS + _BISECTIONS + 1  # forward passes of `Program.shorten`, at most


class Sum(NamedTuple):
    """The sums c‖r‖² + cross-entropy of R images, divided by 2c.

    Attributes:
        x: the images [R, n].
        target: whose cross-entropy it is, int [R].
        weight: of the cross-entropy, 1/2c [R].
        unit: a length of the size of the answer, to measure r in [R].
        box: of every pixel.
    """

    x: tf.Tensor
    target: tf.Tensor
    weight: tf.Tensor
    unit: tf.Tensor
    box: Box


class Limits(NamedTuple):
    """Of a round of `Program.minimize`: iterations of L-BFGS, and evaluations of each of its line searches.

    Tensors int32 [], so that other limits compile nothing anew.
    """

    iterations: tf.Tensor
    of_line_search: tf.Tensor


class Program:
    """The attack's steps as compiled functions, traced once each for a shape of batch.

    Args:
        network: from weights and images [B, …] to logits, as `Network.function`.
        shape: of one image.
        jit: whether XLA compiles those of `direct`, which takes seconds once and then halves the time or better.
        seen_by_xla: whether points are seen by what XLA makes of the network, too, as with `jit`.
        precision: of the coarsest type that the network computes in.

    Attributes:
        jit, precision: as given.
        ways: how points are seen in the end: logits in a batch, alone, and in a program that XLA compiled.
        compiles: whether XLA compiles the network for the one or the other.
    """

    def __init__(
        self,
        network: Callable[[list[tf.Tensor], tf.Tensor], tf.Tensor],
        shape: tuple[int, ...],
        jit: bool,
        seen_by_xla: bool,
        precision: float,
    ) -> None:
        self._network, self._shape, self.jit, self.precision = network, shape, jit, precision
        self.compiles = jit or seen_by_xla

        def compiled(step: Callable, jit: bool = jit, of_any_size: bool = False) -> Callable:
            function = tf.function(step, autograph=False, jit_compile=jit, reduce_retracing=of_any_size)
            # TensorFlow counts the traces of all programs together, and would warn of them.
            function._omit_frequent_tracing_warning = True
            return function

        # also tells of models that XLA cannot compile
        self.logits = compiled(self._logits, jit=False, of_any_size=True)
        self.ways = [self.logits, compiled(self._logits_alone, jit=False)]
        if self.compiles:
            self.ways.append(compiled(self._logits, jit=True))
        self._advance_compiled = compiled(self._advance)
        self.evaluate = tf.function(self._evaluate, autograph=False, reduce_retracing=True)
        self._update_compiled = compiled(descent.update, jit=True)  # fused algebra, whatever the model
        self.restart = compiled(_restart, jit=True)
        # the steps of `penalty`: XLA takes longer to compile the ten calls of a line search than it ever saves
        self.walk = compiled(self._walk, jit=False, of_any_size=True)
        self.approach = compiled(self._approach, jit=False, of_any_size=True)
        self.excess = compiled(self._excess, jit=False, of_any_size=True)
        self.entropy_gradient = compiled(self._entropy_gradient, jit=False, of_any_size=True)
        self._minimize_traced: Any = compiled(self._minimize, jit=False)
        self._minimize_any_size: dict[Any, Any] = {}  # by device and the shapes of the box

    def _logits(self, weights: list[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        return self._network(weights, tf.reshape(v, (-1, *self._shape)))

    def _logits_alone(self, weights: list[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        """As `logits`, one image at a time."""
        specification = tf.TensorSpec(None, tf.float32)
        return tf.map_fn(
            lambda one: self._logits(weights, one[None])[0], v, fn_output_signature=specification
        )

    def advance(
        self,
        weights: list[tf.Tensor],
        state: Descents,
        goal: Goal,
        incumbent: tf.Tensor,
        steps: int,
        box: Box,
    ) -> Descents:
        """Moves descents on by at most so many gradients, while not too many are done; see `descent.update`."""
        if self.jit:
            return self._advance_compiled(weights, state, goal, incumbent, tf.constant(steps), box)
        running = state.mode.numpy() != descent.DONE
        enough = _REMAINING * running.sum()
        while steps and running.sum() > enough:
            # the network's passes are most of the work: only of rows that need them
            rows, places = np.flatnonzero(running), np.maximum(np.cumsum(running) - 1, 0)
            part = Goal(*(tf.gather(of_row, rows) for of_row in goal[:3]), reaches=goal.reaches)
            computed = self.evaluate(weights, tf.gather(state.u, rows), part)
            state = self._update_compiled(
                state, *(tf.gather(value, places) for value in computed), incumbent, box
            )
            running, steps = state.mode.numpy() != descent.DONE, steps - 1
        return state

    def _advance(
        self,
        weights: list[tf.Tensor],
        state: Descents,
        goal: Goal,
        incumbent: tf.Tensor,
        steps: tf.Tensor,
        box: Box,
    ) -> Descents:
        def running(state):
            return tf.reduce_sum(tf.cast(state.mode != descent.DONE, tf.float32))

        enough = _REMAINING * running(state)

        def step(i, state):
            computed = self._evaluate(weights, state.u, goal)
            return i + 1, descent.update(state, *computed, incumbent, box)

        def goes_on(i, state):
            return (i < steps) & (running(state) > enough)

        return tf.while_loop(goes_on, step, (0, state))[1]

    def _evaluate(
        self, weights: list[tf.Tensor], u: tf.Tensor, goal: Goal
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The constraint at u, its gradient, and whether u is adversarial."""
        with tf.GradientTape() as tape:
            tape.watch(u)
            h, good = goal.constraint(self._logits(weights, u))
        return h, tape.gradient(h, u), good

    def _excess(self, v: tf.Tensor, problem: Problem) -> tf.Tensor:
        """By how much v misses the constraint of the strongest rival [B]; not positive where it is adversarial."""
        return tf.reduce_max(problem.constraints(self._logits(problem.weights, v)), axis=-1)

    def _is_adversarial(self, v: tf.Tensor, problem: Problem) -> tf.Tensor:
        """Whether v meets the constraints of every rival [B]."""
        return problem.is_met(self._logits(problem.weights, v))

    def _walk(self, problem: Problem, growth: tf.Tensor) -> Candidate:
        """A walk along the boundary: gradient steps at a norm that shrinks inside the class and else grows.

        The decoupled direction and norm of Rony et al. 2019 (arXiv:1811.09600, algorithm 1). It finds the
        class even where the gradient at x says little, and ends some percent above the optimum. Where it finds no adversarial
        point, the distance is infinite, and v is where it ends.
        """
        x, box = problem.x, problem.box

        def step(i, r, norm, best):
            v = x + r
            with tf.GradientTape() as tape:
                tape.watch(v)
                z = self._logits(problem.weights, v)
                loss = problem.loss(z)
            gradient = tape.gradient(loss, v)
            inside = problem.is_met(z)
            length = tf.norm(r, axis=-1)
            best = best.nearer(Candidate(v, tf.where(inside, length, np.inf)))
            norm = tf.where(inside, length * (1 - growth), norm * (1 + growth))
            size = box.reach * (0.01 + 0.495 * (1 + tf.cos(np.pi * tf.cast(i, tf.float32) / WALK_STEPS)))
            r = r - size * tf.math.l2_normalize(gradient, axis=-1, epsilon=1e-30)
            r = norm[:, None] * tf.math.l2_normalize(r, axis=-1, epsilon=1e-30)
            return i + 1, box.clip(x + r) - x, norm, best

        nothing = Candidate(x, tf.fill(tf.shape(x)[:1], np.float32(np.inf)))
        state = (0, tf.zeros_like(x), tf.fill(tf.shape(x)[:1], box.reach), nothing)
        _, r, _, best = tf.while_loop(lambda i, *_: i < WALK_STEPS, step, state)
        return best._replace(v=tf.where(tf.math.is_finite(best.distance)[:, None], best.v, x + r))

    def _approach(self, problem: Problem, start: Candidate) -> Candidate:
        """Moves points of the boundary towards x: linearize there, project x, go part of the way, repeat.

        First it goes to the boundary on the ray from x. A step that does not bring an image nearer is undone and halved.
        """

        def step(i, best, part):
            with tf.GradientTape() as tape:
                tape.watch(best.v)
                h = self._excess(best.v, problem)
            a = tape.gradient(h, best.v)
            u, _ = project(problem.x, best.v, h, a, tf.zeros_like(h), problem.box)
            moved = self._shorten(problem, best.v + part[:, None] * (u - best.v))
            part = tf.where(moved.distance < best.distance, part, part / 2)
            return i + 1, best.nearer(moved), part

        start = self._shorten(problem, start.v).nearer(start)
        state = (0, start, tf.ones_like(start.distance))
        return tf.while_loop(lambda i, *_: i < PROJECTIONS, step, state)[1]

    def _entropy_gradient(self, problem: Problem, v: tf.Tensor) -> tf.Tensor:
        """The gradient of the target's cross-entropy at v [B, n]."""
        with tf.GradientTape() as tape:
            tape.watch(v)
            z = self._logits(problem.weights, v)
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(problem.target, z)
        return tape.gradient(entropy, v)

    def minimize(
        self, weights: list[tf.Tensor], of: Sum, v: tf.Tensor, nu: tf.Tensor, limits: Limits
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `_minimize`. Traced once for all numbers of images, of which there are fewer and fewer."""
        key = (v.device, *(bound.shape for bound in of.box))
        if key not in self._minimize_any_size:

            def of_any_size(tensor: tf.Tensor) -> tf.TensorSpec:
                return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)

            def as_it_is(tensor: tf.Tensor) -> tf.TensorSpec:
                return tf.TensorSpec(tensor.shape, tensor.dtype)

            images, points, multipliers = tf.nest.map_structure(of_any_size, (of._replace(box=()), v, nu))
            fixed, box, allowed = tf.nest.map_structure(as_it_is, (weights, of.box, limits))
            self._minimize_any_size[key] = self._minimize_traced.get_concrete_function(
                fixed, images._replace(box=box), points, multipliers, allowed
            )
        return self._minimize_any_size[key](weights, of, v, nu, limits)

    def _minimize(
        self, weights: list[tf.Tensor], of: Sum, v: tf.Tensor, nu: tf.Tensor, limits: Limits
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One round of the augmented Lagrangian: L-BFGS, then new multipliers (Nocedal & Wright, §17.3–4).

        Minimizes ½‖v − x‖² + weight · cross-entropy + ½β·dist²(v + ν/β, box) over v, in units of `of.unit`.

        Returns:
            v [B, n], not yet in the box; the box's multipliers ν [B, n], positive at the upper bound and negative at the
            lower; how often objective and gradient were computed.
        """
        x, box, beta, unit = of.x, of.box, BOX_PENALTY, of.unit[:, None]

        @tf.function(autograph=False)  # traced once, though the line search calls it in ten places
        def objective(q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(q)
                v = x + unit * q
                w = v + nu / beta
                outside = 0.5 * beta * tf.reduce_sum((w - box.clip(w)) ** 2, axis=-1)
                z = self._logits(weights, v)
                entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(of.target, z)
                lagrangian = outside + of.weight * entropy
                value = 0.5 * tf.reduce_sum(q**2, axis=-1) + lagrangian / of.unit**2
            return value, tape.gradient(value, q)

        result = optimize.minimize_batch(
            objective,
            (v - x) / unit,
            max_iterations=limits.iterations,
            max_line_search_iterations=limits.of_line_search,
            # A gradient this small moves the distance, in second order, by less than its float32 rounding.
            tolerance=1e-2 / x.shape[-1] ** 0.5,
            relative_tolerance=1e-5,
        )
        v = x + unit * result.position
        w = v + nu / beta
        return v, beta * (w - box.clip(w)), result.evaluations

    def _shorten(self, problem: Problem, v: tf.Tensor) -> Candidate:
        """The nearest point to x on the ray from x through v that is adversarial, by bisection.

        Where v falls just short of the boundary, the ray is first followed beyond it.
        """
        x, box = problem.x, problem.box
        r = box.clip(v) - x

        def at(t: tf.Tensor) -> tf.Tensor:
            return box.clip(x + t[:, None] * r)

        def extend(i, t, done):
            done = done | self._is_adversarial(at(t), problem)
            return i + 1, tf.where(done, t, 1 + 1e-5 * 4.0 ** tf.cast(i, tf.float32)), done

        one = tf.ones_like(x[:, 0])
        state = (0, one, tf.zeros_like(one, tf.bool))
        _, t, _ = tf.while_loop(lambda i, _, done: (i < _EXTENSIONS) & ~tf.reduce_all(done), extend, state)

        def bisect(i, outside, inside):
            middle = (outside + inside) / 2
            good = self._is_adversarial(at(middle), problem)
            return i + 1, tf.where(good, outside, middle), tf.where(good, middle, inside)

        state = (0, tf.where(t > 1, one, 0.0), t)
        _, _, t = tf.while_loop(lambda i, *_: i < _BISECTIONS, bisect, state)
        v = at(t)
        return Candidate(v, tf.where(self._is_adversarial(v, problem), tf.norm(v - x, axis=-1), np.inf))


def _restart(state: Descents, chosen: tf.Tensor, begun: tuple[tf.Tensor, ...], box: Box) -> Descents:
    """The descents, those chosen from new starts; `begun` are the arguments of `descent.begin`."""
    return descent.merge(chosen, descent.begin(*begun, cuts=state.cuts.shape[1], box=box), state)
