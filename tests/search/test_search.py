"""Searches against exact gradients: of a quadratic, and of a small unrolled problem by quadrature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamrnn import updates
from streamrnn.errors import InputError, ModelError, StateError
from streamrnn.search import AntitheticES, PersistentES
from streamrnn.search._population import LARGEST, weigh
from streamrnn.search.antithetic import centred_ranks

KINDS = pytest.mark.parametrize("kind", [AntitheticES, PersistentES])


def follow(*parts, rate=0.0, **choices):
    """A search that stands still, unless told otherwise."""
    return parts[0](parts[1], choices.pop("sigma", 0.1), choices.pop("pairs", 4), rate, **choices)


class Bowl:
    """R(theta) = c + bᵀ theta + ½ thetaᵀ A theta."""

    def __init__(self, size):
        rng = np.random.default_rng(0)
        a = rng.normal(size=(size, size))
        self.A, self.b, self.c = a + a.T, rng.normal(size=size), 0.7

    def reward(self, theta):
        flat = theta.reshape(len(theta), -1)
        return self.c + flat @ self.b + 0.5 * np.einsum("np,pq,nq->n", flat, self.A, flat)

    def slope(self, theta):
        return self.A @ theta.ravel() + self.b


# ---------------------------------------------------------------- antithetic


@pytest.mark.parametrize("sigma", [1e-2, 1.0])
@pytest.mark.parametrize("pairs", [1, 7])
def test_on_a_bowl_the_estimate_is_the_slope_projected_on_the_perturbations(pairs, sigma):
    theta = np.random.default_rng(1).normal(size=(2, 3))
    bowl = Bowl(theta.size)
    es = follow(AntitheticES, theta, sigma=sigma, pairs=pairs)
    for _ in range(20):
        asked = es.ask()
        noise = ((asked[:pairs] - asked[pairs:]) / (2 * sigma)).reshape(pairs, -1)
        es.tell(bowl.reward(asked))
        expected = noise.T @ (noise @ bowl.slope(theta)) / pairs
        np.testing.assert_allclose(
            es.gradient.ravel(), expected, rtol=0, atol=1e-12 * np.abs(expected).max() / min(sigma, 1)
        )


def test_orthogonal_perturbations_give_the_exact_slope():
    theta, size = np.random.default_rng(1).normal(size=6), 6
    bowl = Bowl(size)
    noise = np.sqrt(size) * np.linalg.qr(np.random.default_rng(2).normal(size=(size, size)))[0]
    difference = bowl.reward(theta + 0.5 * noise) - bowl.reward(theta - 0.5 * noise)
    gradient = np.zeros(size)
    weigh(difference, noise, 1.0 / (2 * size * 0.5), gradient)
    np.testing.assert_allclose(gradient, bowl.slope(theta), rtol=0, atol=1e-12)


def test_the_mean_estimate_is_the_slope_of_the_smoothed_reward():
    """R = cos(kᵀ theta), smoothed: e^(-σ² |k|² / 2) cos(kᵀ theta). Its slope is not that of R: by a factor of 0.53."""
    k, theta, sigma = np.array([1.5, -1.0, 0.5]), np.array([0.3, 0.2, -0.4]), 0.6
    es = follow(AntitheticES, theta, sigma=sigma, pairs=1)
    estimates = []
    for _ in range(8000):
        es.tell(np.cos(es.ask() @ k))
        estimates.append(es.gradient.copy())
    plain = -np.sin(theta @ k) * k
    assert agrees(estimates, np.exp(-0.5 * sigma**2 * k @ k) * plain)
    assert not agrees(estimates, plain)


def test_perturbations_are_standard_normal_and_new_in_each_generation_and_seed():
    es = follow(AntitheticES, np.zeros(50), sigma=2.0, pairs=100, seed=3)
    first = es.ask()
    np.testing.assert_array_equal(first, es.ask())
    np.testing.assert_array_equal(first[:100], -first[100:])
    assert abs(first[:100].mean()) < 5 * 2.0 / np.sqrt(5000)
    assert first[:100].std() == pytest.approx(2.0, rel=0.05)
    assert not np.intersect1d(first, follow(AntitheticES, np.zeros(50), sigma=2.0, pairs=100, seed=4).ask()).size
    es.tell(np.zeros(200))
    assert not np.intersect1d(first, es.ask()).size


def test_ranks_share_ties_and_see_the_order_alone():
    np.testing.assert_allclose(centred_ranks(np.array([5.0, -1.0, 5.0, 1e9])), [0.0, -0.5, 0.0, 0.5])
    np.testing.assert_array_equal(centred_ranks(np.full(6, 3.0)), np.zeros(6))
    plain, scaled = (follow(AntitheticES, np.zeros(3), rank=True, rate=0.1) for _ in range(2))
    for _ in range(5):
        plain.tell(plain.ask().sum(1))
        scaled.tell(np.exp(9 * scaled.ask().sum(1)))
    np.testing.assert_array_equal(plain.theta, scaled.theta)
    assert plain.theta.sum() > 0


@pytest.mark.parametrize("update", ["sgd", "rmsprop", "adam"])
def test_theta_moves_as_the_update_says_towards_more_reward(update):
    bowl = Bowl(6)
    es = follow(AntitheticES, np.zeros((2, 3)), rate=0.05, update=update)
    es.tell(bowl.reward(es.ask()))
    assert es.gradient.shape == es.theta.shape == (2, 3)
    step = 0.05 * (es.gradient if update == "sgd" else np.sign(es.gradient))
    np.testing.assert_allclose(es.theta, step, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3, 1, 2)])
@KINDS
def test_any_shape_is_searched(kind, shape):
    es = follow(kind, np.full(shape, 2.0), rate=0.1)
    for _ in range(100):
        asked = es.ask()
        assert asked.shape == (8, *shape)
        es.tell(-(asked.reshape(8, -1) ** 2).sum(1), *([True] if kind is PersistentES else []))
    assert es.theta.shape == es.gradient.shape == shape
    assert np.abs(es.theta).max() < 0.7


# ---------------------------------------------------------------- persistent


class Unrolled:
    """s ← tanh(a s + b u_t), reward -(s - y_t)²; theta = (a, b). Three segments of two steps, a theta each."""

    SEGMENTS, STEPS = 3, 2
    U = np.array([1.0, -0.5, 0.8, 0.3, -1.0, 0.6])
    Y = np.array([0.2, 0.7, -0.3, 0.9, 0.1, -0.8])

    @classmethod
    def segment(cls, k, theta, s):
        """State and reward after segment k."""
        reward = 0.0
        for t in range(k * cls.STEPS, (k + 1) * cls.STEPS):
            s = np.tanh(theta[..., 0] * s + theta[..., 1] * cls.U[t])
            reward = reward - (s - cls.Y[t]) ** 2
        return s, reward

    @classmethod
    def slope(cls, theta, sigma, nodes=7):
        """∂/∂theta of the expected total reward, theta perturbed by N(0, σ²) anew in each segment: by complex step
        and Gauss-Hermite quadrature. Second: without what a segment's theta does to the rewards of later ones."""
        x, w = np.polynomial.hermite_e.hermegauss(nodes)
        dimensions = 2 * cls.SEGMENTS
        noise = np.array(list(itertools.product(x, repeat=dimensions))).reshape(-1, cls.SEGMENTS, 2)
        weight = np.prod(list(itertools.product(w / w.sum(), repeat=dimensions)), axis=1)
        total, truncated = np.zeros(2), np.zeros(2)
        for p in range(2):
            h = np.zeros(2, complex)
            h[p] = 1e-30j
            s_all = s_own = np.zeros(len(noise), complex)
            for k in range(cls.SEGMENTS):
                moved = theta + h + sigma * noise[:, k]
                s_all, reward = cls.segment(k, moved, s_all)
                total[p] += weight @ reward.imag / 1e-30
                s_own, reward = cls.segment(k, moved, s_own.real)
                truncated[p] += weight @ reward.imag / 1e-30
        return total, truncated

    @classmethod
    def estimates(cls, es, tell, episodes):
        """Estimates of the gradient, summed over each episode."""
        sums = []
        for _ in range(episodes):
            s, total = np.zeros(2 * es.pairs), np.zeros(2)
            for k in range(cls.SEGMENTS):
                s, reward = cls.segment(k, es.ask(), s)
                tell(reward, k == cls.SEGMENTS - 1)
                total += es.gradient
            sums.append(total)
        return sums


def agrees(estimates, expected):
    """Whether independent estimates have this mean: each coordinate within 4 standard errors."""
    error = np.std(estimates, axis=0, ddof=1) / np.sqrt(len(estimates))
    return bool((np.abs((np.mean(estimates, axis=0) - expected) / error) < 4).all())


THETA, NOISE = np.array([0.8, -0.6]), 0.3


def test_quadrature_has_converged():
    for seven, nine in zip(Unrolled.slope(THETA, NOISE), Unrolled.slope(THETA, NOISE, 9), strict=True):
        np.testing.assert_allclose(seven, nine, rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_persistent_search_is_unbiased_where_truncated_search_is_not(seed):
    exact, truncated = Unrolled.slope(THETA, NOISE)
    pes = follow(PersistentES, THETA, sigma=NOISE, seed=seed)
    estimates = Unrolled.estimates(pes, pes.tell, 4000)
    assert agrees(estimates, exact)
    assert not agrees(estimates, truncated)
    es = follow(AntitheticES, THETA, sigma=NOISE, seed=seed)
    estimates = Unrolled.estimates(es, lambda reward, _finished: es.tell(reward), 4000)
    assert agrees(estimates, truncated)
    assert not agrees(estimates, exact)


def test_the_first_segment_is_antithetic_search():
    bowl = Bowl(6)
    pes, es = follow(PersistentES, np.ones(6), rate=0.1), follow(AntitheticES, np.ones(6), rate=0.1)
    for _ in range(5):
        np.testing.assert_allclose(pes.ask(), es.ask(), rtol=1e-9)
        reward = bowl.reward(es.ask())
        pes.tell(reward, finished=True)
        es.tell(reward)
        np.testing.assert_allclose(pes.gradient, es.gradient, rtol=1e-9)


def test_perturbations_add_up_until_a_particle_has_finished():
    es = follow(PersistentES, np.zeros((2, 3)), sigma=0.5)
    first = es.ask() / 0.5
    es.tell(np.zeros(8))
    np.testing.assert_allclose(es.xi, first, rtol=1e-15)
    second, ended = es.ask() / 0.5, np.arange(8) == 2
    reward = np.arange(8.0)
    es.tell(reward, ended)
    xi = first + second
    expected = np.einsum("i,i...->...", reward, xi) / (2 * 4 * 0.5)
    np.testing.assert_allclose(es.gradient, expected, rtol=1e-12, atol=1e-14)
    xi[2] = 0.0
    np.testing.assert_allclose(es.xi, xi, rtol=1e-15)
    es.reset(5)
    es.reset(np.arange(8) == 7)
    assert [bool(v.any()) for v in es.xi] == [True, True, False, True, True, False, True, False]
    es.reset()
    assert not es.xi.any()


# ---------------------------------------------------------------- state


def told(es, times):
    for _ in range(times):
        es.tell(np.cos(3 * es.ask()).reshape(2 * es.pairs, -1).sum(1))
    return es


@KINDS
def test_a_restored_search_goes_on_to_the_same_bits(kind):
    es = told(follow(kind, np.ones((2, 3)), rate=0.1, seed=5), 3)
    data, snapshot = es.to_bytes(), es.snapshot()
    ahead = told(es, 4).snapshot()
    other = kind.from_bytes(data)
    assert other.generation == 3
    assert repr(other).startswith(f"<{kind.__name__} of 4 pairs, 6 parameters; 3")
    np.testing.assert_array_equal(told(other, 4).snapshot(), ahead)
    es.restore(snapshot)
    np.testing.assert_array_equal(told(es, 4).snapshot(), ahead)


def test_stored_bytes_keep_every_choice():
    es = told(AntitheticES(np.ones(3), 0.2, 5, 0.01, "rmsprop", seed=8, rank=True), 2)
    other = AntitheticES.from_bytes(es.to_bytes())
    assert (other.sigma, other.pairs, other.rate, other.update, other.seed, other.rank) == (
        0.2, 5, 0.01, updates.get("rmsprop"), 8, True
    )  # fmt: skip


def test_wrong_bytes_are_refused():
    es = follow(AntitheticES, np.ones(3))
    data = es.to_bytes()
    with pytest.raises(StateError, match=r"another kind.*got AntitheticES, expected PersistentES"):
        PersistentES.from_bytes(es.arena.to_bytes({**owner(es), "task": "AntitheticES"}))
    with pytest.raises(StateError, match="damaged"):
        AntitheticES.from_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for change in ({"shape": [4]}, {"shape": [1 << 40, 1 << 40]}, {"shape": [-3]}, {"sigma": "x"}, {"extra": 1},
                   {"update": "none"}, {"options": {"none": 1.0}}, {"sigma": -1.0}, {"pairs": 0},
                   {"seed": -1}):  # fmt: skip
        with pytest.raises(StateError):
            AntitheticES.from_bytes(es.arena.to_bytes({**owner(es), **change}))
    pes = follow(PersistentES, np.ones(3))
    with pytest.raises(StateError):
        PersistentES.from_bytes(pes.arena.to_bytes({**owner(pes), "pairs": 1 << 24}))


def owner(es):
    return {"task": type(es).__name__, "shape": list(es.shape), "sigma": es.sigma, "pairs": es.pairs, "rate": es.rate,
            "update": "adam", "options": {}, "seed": es.seed}  # fmt: skip


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"theta0": []}, "theta0 is empty"),
        ({"theta0": [[0.0, np.nan]]}, r"theta0\[0, 1\] is not finite \(got nan"),
        ({"theta0": "abc"}, "theta0 holds numbers"),
        ({"sigma": 0.0}, "'sigma' of AntitheticES.*got 0,"),
        ({"sigma": -1.0}, "'sigma'"),
        ({"sigma": np.nan}, "'sigma'"),
        ({"sigma": np.inf}, "'sigma'"),
        ({"sigma": "1"}, "'sigma'"),
        ({"pairs": 0}, "'pairs'.*got 0"),
        ({"pairs": 1.5}, "'pairs'.*got 1.5"),
        ({"rate": -0.1}, "'rate'"),
        ({"seed": -1}, "'seed'"),
        ({"update": "adm"}, "Did you mean 'adam'"),
        ({"options": {"none": 1.0}}, "no option 'none'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ModelError, match=message):
        AntitheticES(**{"theta0": [0.0, 1.0], "sigma": 0.1, "pairs": 2, "rate": 0.1} | wrong)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ([1.0] * 7, r"one reward a candidate \(got \(7,\), expected \(8,\)\)"),
        (np.zeros((8, 1)), "one reward a candidate"),
        (1.0, "one reward a candidate"),
        (["a"] * 8, "rewards are numbers"),
        ([0.0] * 5 + [np.nan] + [0.0] * 2, r"candidate 5 cannot be used \(got nan"),
        ([0.0] * 7 + [-np.inf], r"candidate 7 cannot be used \(got -inf"),
        ([10 * LARGEST] + [0.0] * 7, "candidate 0 cannot be used"),
    ],
)
@KINDS
def test_rewards_that_cannot_be_used_are_refused_and_change_nothing(kind, reward, message):
    es = told(follow(kind, np.ones(3), rate=0.1), 2)
    before = es.snapshot()
    with pytest.raises(InputError, match=message):
        es.tell(reward)
    np.testing.assert_array_equal(es.snapshot(), before)


@pytest.mark.parametrize("mask", [np.zeros(7, bool), np.zeros(8), [0, 1], 1.0])
def test_masks_that_do_not_fit_are_refused_and_change_nothing(mask):
    es = told(follow(PersistentES, np.ones(3), rate=0.1), 2)
    before = es.snapshot()
    with pytest.raises(InputError, match="who has finished"):
        es.tell(np.zeros(8), mask)
    with pytest.raises(InputError, match="who has finished"):
        es.reset(mask)
    with pytest.raises(InputError, match=r"no such particle \(got 8, expected 0 to 7\)"):
        es.reset(8)
    np.testing.assert_array_equal(es.snapshot(), before)
