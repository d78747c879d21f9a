"""Seasons found online: each part against plain NumPy, then what is found, what is not, and what it costs."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from streamrnn._bind import kernel
from streamrnn.kernels import season
from streamrnn.kernels.season import adoption, analysis, fourier, layout, proof, windows
from streamrnn.kernels.season.rows import push
from streamrnn.state import Arena, Field, Layout

views, observe = season.views, season.observe
PHASE, WINDOW = layout.PHASE, layout.WINDOW
CHANGES, ANALYSES, SEEK = season.CHANGES, layout.ANALYSES, layout.SEEK


@kernel
def run(xs, ints, wide, table, rows, steps):
    memory = views(ints, wide, table, 0)
    for t in range(xs.shape[0]):
        steps[t] = observe(xs[t], memory)
        for k in range(rows.shape[1]):
            rows[t, k] = memory[0][0][k]


def arena(channels=1, ring=4096, levels=1):
    return Arena(Layout([Field(*f) for f in season.fields(channels, ring, levels)], "float64"))


def watch(xs, memory=None, **sizes):
    """Seasons after each row (T, 3), steps of each row (T,), and the arena."""
    xs = np.ascontiguousarray(xs.reshape(len(xs), -1), float)
    memory = memory or arena(xs.shape[1], **sizes)
    rows, steps = np.zeros((len(xs), 3), np.int64), np.zeros(len(xs), np.int64)
    run(xs, memory.ints, memory.wide, memory.layout.table, rows, steps)
    return rows, steps, memory


def sine(n, period, noise, seed=0, size=1.0):
    return size * np.sin(2 * np.pi * np.arange(n) / period) + noise * np.random.default_rng(seed).normal(size=n)


def autoregressive(n, a, seed, channels=1):
    x = np.random.default_rng(seed).normal(size=(n, channels))
    for t in range(1, n):
        x[t] += a * x[t - 1]
    return x


# ---------------------------------------------------------------- parts, against plain NumPy


@pytest.mark.parametrize("size", [2, 4, 64, 1024, 8192])
@pytest.mark.parametrize("slices", [1, 7])
def test_the_transform_is_fouriers_however_it_is_sliced(size, slices):
    rng = np.random.default_rng(size)
    z = rng.normal(size=size) + 1j * rng.normal(size=size)
    re, im = z.real.copy(), z.imag.copy()
    stages, cuts = size.bit_length() - 1, np.linspace(0, size // 2, slices + 1).astype(int)

    def go(inverse):
        for stage in range(stages):
            for first, last in itertools.pairwise(cuts):
                fourier.butterflies(size, stage, first, last, inverse, re, im)

    go(False)
    order = [int(f"{i:0{stages}b}"[::-1], 2) for i in range(size)]
    expected = np.fft.fft(z)[order]
    np.testing.assert_allclose(re + 1j * im, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    go(True)
    np.testing.assert_allclose(re + 1j * im, z * size, rtol=0, atol=1e-12 * size)


def prepared(v):
    """A channel freed of its line and outliers, with unit energy; None where there is nothing to it."""
    there = np.isfinite(v)
    if 2 * there.sum() < len(v):
        return None
    t = np.arange(len(v))[there]
    d = v[there] - v[there][0]
    drawn = [d_ for k in range(1, windows.DRAWN + 1) if np.isfinite(d_ := v[(k * 2654435761 % 2**32 * len(v)) >> 32])]
    middle = np.sort(drawn)[len(drawn) // 2]
    far = windows.WILD * np.sort(np.abs(drawn - middle))[len(drawn) // 2]
    if far > 0.0:
        d = np.clip(v[there], middle - far, middle + far) - v[there][0]
    d = d - np.polyval(np.polyfit(t - t.mean(), d, 1), t - t.mean())
    size = np.abs(d).mean()
    if size <= 1e-14 * np.abs(v[there]).max():
        return None
    for _ in range(windows.CLIPPINGS):
        size = np.minimum(np.abs(d), windows.CLIP * size).mean()
    d = np.clip(d, -windows.CLIP * size, windows.CLIP * size)
    out = np.zeros(len(v))
    out[there] = d - d.mean()
    return out / np.sqrt(out @ out)


def correlation(window):
    """Σ over channels of the unbiased autocorrelation, lags up to a third of the window: (n // 3 + 1,)."""
    n = len(window)
    total = np.zeros(n // 3 + 1)
    for v in window.T:
        d = prepared(v)
        if d is not None:
            total += np.correlate(d, d, "full")[n - 1 : n + n // 3] * n / (n - np.arange(n // 3 + 1))
    return total


def messy(n, channels, seed):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=(n, channels)), 0) + 1e4 * np.arange(channels) + 12 * sine(n, 17, 0)[:, None]
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.01] *= 50
    x[:, channels // 2] = 7.0 if channels > 2 else x[:, channels // 2]
    return x


def analysing(xs, window, until, ring):
    """A machine that looks at the last `window` rows, stopped when it comes to a phase."""
    memory = arena(xs.shape[1], ring)
    views_ = views(memory.ints, memory.wide, memory.layout.table, 0)
    for x in xs:
        push(x, views_[0])
    analysis.begin(0, 0, window, views_[0])
    while memory["season.count"][PHASE] != until:
        assert memory["season.count"][PHASE] != layout.IDLE
        analysis.step(views_[0], 101)
    return memory


@pytest.mark.parametrize(("channels", "window"), [(1, 300), (2, 299), (3, 48), (5, 171)])
def test_autocorrelation_is_that_of_the_windows(channels, window):
    """With gaps, outliers, random walks, a channel that is flat; the ring has gone round."""
    xs = messy(700, channels, channels)
    lag = analysing(xs, window, SEEK, ring=300)["season.lag"][: window // 3 + 1]
    expected = correlation(xs[-window:])
    assert expected[0] == pytest.approx(channels - (channels > 2))
    np.testing.assert_allclose(lag, expected, rtol=0, atol=1e-11)


def test_the_coarser_level_has_the_means_of_what_is_there():
    xs, memory = messy(333, 3, 1), arena(3, ring=64, levels=2)
    xs[32:48, 0] = np.nan
    watch(xs, memory)
    for block in range(333 // layout.DECIMATION):
        each = xs[block * layout.DECIMATION : (block + 1) * layout.DECIMATION]
        expected = [v[np.isfinite(v)].mean() if np.isfinite(v).any() else np.nan for v in each.T]
        np.testing.assert_allclose(memory["season.ring"][1, block], expected, rtol=1e-12)


def coefficients(d, s, m, j, q):
    """X[j m + q] of the last m seasons of s rows, s not always whole, straight from the definition."""
    starts = [int(c * s + 0.5) for c in range(m + 1)]
    d = d[len(d) - starts[-1] :]
    total = 0.0
    for c in range(m):
        p = np.arange(starts[c + 1] - starts[c])
        total += (d[starts[c] + p] * np.exp(-2j * np.pi * (q * c / m + (j + q / m) * p / s))).sum()
    return total


@pytest.mark.parametrize("channels", [1, 3])
def test_the_lines_and_their_neighbours_are_those_of_the_windows(channels):
    xs = messy(700, channels, 5)
    memory = analysing(xs, 290, layout.JUDGE, ring=300)
    cases, power = memory["season.case"], memory["season.power"]
    rows = int(memory["season.count"][WINDOW])
    prepared_ = [d for d in map(prepared, xs[-rows:].T) if d is not None]
    compared = 0
    for (s, m), stored in zip(cases, power, strict=True):
        m = int(m)
        for j in range(1, proof.harmonics(s) + 1) if m >= 3 else ():
            w = proof.neighbours(m)
            line = sum(abs(coefficients(d, s, m, j, 0)) ** 2 for d in prepared_)
            beside = sum(abs(coefficients(d, s, m, j, q)) ** 2 for d in prepared_ for q in range(-w, w + 1) if q != 0)
            assert stored[j - 1, 0] == pytest.approx(line, rel=1e-9)
            assert stored[j - 1, 1] == pytest.approx(beside, rel=1e-9)
            compared += 1
    assert compared >= 6
    assert cases[0, 0] == pytest.approx(17, abs=0.5)


def test_folding_gives_the_fourier_coefficients_beside_each_harmonic():
    s, m, offset = 12, 9, 5
    d = np.random.default_rng(0).normal(size=offset + s * m)
    expected = np.fft.fft(d[offset:])
    for q in range(proof.neighbours(m) + 1):
        profile = np.zeros((2, 40))
        for first, last in ((0, 7), (7, 50), (50, s * m)):
            fourier.fold(d, offset, float(s), m, q, first, last, profile)
        for j in range(1, proof.harmonics(float(s)) + 1):
            sums = np.zeros(18)
            for first, last in ((0, 5), (5, s + 2)):
                fourier.transform(profile, float(s), m, q, j, first, last, sums)
            up, down = sums[layout.RE] + 1j * sums[layout.IM], sums[layout.RE2] + 1j * sums[layout.IM2]
            assert up == pytest.approx(expected[j * m + q], rel=1e-10)
            assert down == pytest.approx(expected[j * m - q], rel=1e-10)


def test_gamma_tail_is_the_chance_of_a_sum_of_exponentials():
    draws = np.random.default_rng(0).exponential(size=(200_000, 4)).sum(1)
    for y in (2.0, 5.0, 9.0):
        assert np.exp(proof.gamma_tail(y, 4)) == pytest.approx((draws > y).mean(), rel=0.05)


@pytest.mark.parametrize("a", [0.0, 0.9, 1.0])
def test_the_proof_keeps_its_level_however_red_the_noise_is(a):
    """P(ln p < -x) ≤ about e^-x for a length that was not chosen by looking."""
    s, m, trials = 24, 10, 4000
    w = proof.neighbours(m)
    x = autoregressive(s * m, a, 3, trials)
    t = np.arange(s * m) - (s * m - 1) / 2
    x = x - x.mean(0) - np.outer(t, t @ x) / (t @ t)
    size = np.abs(np.fft.fft(x, axis=0)) ** 2
    power = np.zeros((trials, layout.HARMONICS, 3))
    for j in range(1, layout.HARMONICS + 1):
        power[:, j - 1, 0] = size[j * m]
        power[:, j - 1, 1] = sum(size[j * m + q] + size[j * m - q] for q in range(1, w + 1))
    lnp = np.array([proof.evidence(float(s), m, each, np.zeros(1), 0) for each in power])
    for level in (2.0, 4.0, 6.0):
        assert (lnp < -level).mean() <= 1.5 * np.exp(-level) + 3 * np.sqrt(np.exp(-level) / trials)
    assert (lnp < -1.0).mean() > 0.02, "and it is not that nothing is ever said"


def test_harmonics_of_a_shorter_season_are_no_evidence_for_a_longer_one():
    s, m = 336.0, 10
    power = np.ones((layout.HARMONICS, 3))
    power[:, 1] = 2 * proof.neighbours(m)
    power[:, 0] = 1000.0
    alone, beside = (proof.evidence(s, m, power, np.array([other]), 1) for other in (0.0, 168.0))
    assert alone < beside < proof.SURE  # the odd harmonics are its own
    assert proof.evidence(s, m, power, np.array([56.0]), 1) > alone
    assert proof.shared(7, s, m, 48.0)
    assert not proof.shared(6, s, m, 48.0)


@pytest.mark.parametrize(
    ("before", "now", "adopted"),
    [(48.0, 48.0, 48), (47.0, 49.0, 49), (30.0, 48.0, 0), (0.0, 48.0, 0), (96.0, 48.0, 48), (48.0, 144.0, 48)],
)
def test_a_season_comes_into_force_when_it_or_a_multiple_was_found_before(before, now, adopted):
    memory = arena()
    whole, _ = views(memory.ints, memory.wide, memory.layout.table, 0)
    memory["season.found"][0, 0], memory["season.found"][-2, 0] = before, now
    memory["season.count"][layout.FOUND] = 1
    adoption.conclude(whole)
    assert memory["season.rows"].tolist() == [adopted, 0, 0]
    assert memory["season.tally"][CHANGES] == (adopted > 0)


# ---------------------------------------------------------------- what is found

CLEAN = {
    "sine": lambda t, s: np.sin(2 * np.pi * t / s),
    "square": lambda t, s: (t % s < s / 2) * 1.0,
    "pulse": lambda t, s: (t % s < max(s // 16, 1)) * 3.0,
    "two humps": lambda t, s: np.sin(4 * np.pi * t / s) + np.sin(2 * np.pi * t / s),
}


@pytest.mark.parametrize("shape", CLEAN)
@pytest.mark.parametrize("s", [7, 24, 48, 96])
def test_a_season_is_found_within_a_few_of_it_to_the_row(shape, s):
    n = 12 * s + 200
    rows, _, _ = watch(CLEAN[shape](np.arange(n), s) + 0.1 * np.random.default_rng(s).normal(size=n))
    assert list(rows[-1]) == [s, 0, 0]


def test_without_noise_too():
    rows, _, _ = watch(CLEAN["square"](np.arange(1500), 48))
    assert list(rows[-1]) == [48, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_sine_of_half_the_noises_power(seed):
    rows, _, _ = watch(sine(2500, 48, 1.0, seed))
    assert abs(rows[1000, 0] - 48) <= 2
    assert rows[-1, 0] == 48


def test_day_and_week():
    n = 6000
    rows, _, _ = watch(sine(n, 48, 0.5) + sine(n, 336, 0.0, size=0.7))
    assert rows[-1, 0] == 48
    assert abs(rows[-1, 1] - 336) <= 3
    rows, _, _ = watch(sine(n, 48, 0.5))
    assert list(rows[-1]) == [48, 0, 0]


def test_long_seasons_are_found_on_the_coarser_level():
    rows, _, _ = watch(sine(24_000, 3600, 0.3), ring=1024, levels=2)
    assert rows[-1, 0] == pytest.approx(3600, rel=0.03)
    rows, _, _ = watch(sine(24_000, 3600, 0.3), ring=1024, levels=1)
    assert rows.max() <= 1024 // 3


def test_missing_values_lost_rows_and_outliers():
    x = sine(3000, 48, 0.5)
    rng = np.random.default_rng(1)
    holes, wild = x.copy(), x.copy()
    holes[rng.random(len(x)) < 0.4] = np.nan
    wild[rng.random(len(x)) < 0.01] *= 1e6
    assert watch(holes)[0][-1, 0] == 48
    assert watch(wild)[0][-1, 0] == 48
    lost = watch(x[rng.random(len(x)) > 0.05])[0][-1, 0]
    assert abs(lost - 48 * 0.95) <= 2


def test_a_level_shift_does_not_end_a_season():
    x = sine(4000, 48, 0.5)
    x[2000:] += 20
    rows, _, _ = watch(x)
    assert (np.abs(rows[700:, 0] - 48) <= 1).all()


@pytest.mark.parametrize("noise", [0.3, 0.7])
def test_a_change_of_season_is_followed(noise):
    t = np.arange(6000)
    x = np.where(t < 3500, np.sin(2 * np.pi * t / 48), np.sin(2 * np.pi * t / 60))
    rows, _, memory = watch(x + noise * np.random.default_rng(2).normal(size=len(t)))
    assert rows[3499, 0] == 48
    followed = int(np.argmax((rows[:, 0] == 60) & (t > 3500)))
    assert 3500 < followed < 3500 + 24 * 60
    assert list(rows[-1]) == [60, 0, 0]
    assert memory["season.due"][layout.YOUNG, 0] <= 6000 - 3500 + 8 * 48 + 2, "what was before is no longer looked at"
    changes = int((np.diff(rows, axis=0, prepend=0) != 0).any(1).sum())
    assert memory["season.tally"][CHANGES] == changes


def test_a_season_that_is_gone_is_dropped():
    x = sine(5500, 48, 0.3)
    x[3000:] = 0.3 * np.random.default_rng(3).normal(size=2500)
    rows, _, _ = watch(x)
    assert rows[2999, 0] == 48
    assert not rows[-1].any()


# ---------------------------------------------------------------- what is not found


@pytest.mark.parametrize("a", [0.0, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_has_no_season(a, channels):
    """A season in force after at most 1 % of the analyses, whatever the noise's memory."""
    analyses = wrong = 0
    for seed in range(40):
        memory = arena(channels, ring=1024)
        rows, _, _ = watch(autoregressive(1500, a, 100 + seed, channels), memory)
        analyses += int(memory["season.tally"][ANALYSES])
        wrong += rows.any(1).mean() * int(memory["season.tally"][ANALYSES])
    assert analyses > 400
    assert wrong <= 0.01 * analyses


def test_nothing_is_made_of_flat_and_absent_channels():
    for xs in (np.full((800, 2), 3.7), np.full((800, 2), np.nan), np.full((800, 1), np.inf), np.arange(800.0) * 0.1):
        rows, _, _ = watch(xs)
        assert not rows.any()
    x = np.stack([np.full(1500, 0.1), sine(1500, 48, 0.3), np.full(1500, np.nan)], 1)
    assert watch(x)[0][-1, 0] == 48


@pytest.mark.parametrize(("scale", "offset"), [(2.0**40, 0.0), (2.0**-40, 0.0), (-1e-3, 0.0), (1e5, 1e8), (1.0, 1e6)])
def test_scale_and_offset_do_not_matter(scale, offset):
    x = sine(1500, 48, 0.7)
    a, b = watch(x)[2], watch(scale * x + offset)[2]
    assert a["season.rows"].tolist() == b["season.rows"].tolist()
    np.testing.assert_allclose(b["season.force"][:, 0], a["season.force"][:, 0], rtol=1e-9)
    np.testing.assert_allclose(b["season.force"][:, 1], a["season.force"][:, 1], rtol=1e-6)


# ---------------------------------------------------------------- memory, purity, cost


def test_what_is_said_of_a_prefix_does_not_depend_on_what_follows():
    xs = messy(3000, 3, 9)
    all_rows, all_steps, _ = watch(xs, ring=512, levels=2)
    for n in (1, 47, 600, 2111):
        rows, steps, _ = watch(xs[:n], ring=512, levels=2)
        np.testing.assert_array_equal(rows, all_rows[:n])
        np.testing.assert_array_equal(steps, all_steps[:n])


@pytest.mark.parametrize("at", [1, 60, 333, 1500])
def test_the_fields_are_all_there_is(at):
    """Stopped in the middle of an analysis and gone on with from a copy: the same bits."""
    xs = messy(2200, 3, 4)
    _, _, whole = watch(xs, ring=512, levels=2)
    _, _, begun = watch(xs[:at], ring=512, levels=2)
    resumed = arena(3, ring=512, levels=2)
    resumed.restore(begun.snapshot())
    watch(xs[at:], resumed)
    np.testing.assert_array_equal(resumed.block, whole.block)


@pytest.mark.parametrize("channels", [1, 9])
def test_no_row_takes_more_than_twice_its_steps(channels):
    """However many channels there are, and whatever the phase."""
    x = sine(3000, 24, 0.5)[:, None] + autoregressive(3000, 0.9, 0, channels)
    _, steps, _ = watch(x, ring=1024, levels=2)
    assert steps.max() <= 2 * analysis.STEPS + 2 * analysis.OVERHEAD
    assert steps.mean() <= 1.25 * analysis.STEPS


SCRIPT = """
import sys
import numpy as np
from streamrnn.kernels import season
from streamrnn.state import Arena, Field, Layout

ring, channels = int(sys.argv[1]), 2
memory = Arena(Layout([Field(*f) for f in season.fields(channels, ring, 2)], "float64"))
views = season.views(memory.ints, memory.wide, memory.layout.table, 0)
rng = np.random.default_rng(0)
n = 700
xs = np.sin(2 * np.pi * np.arange(n) / 8)[:, None] + 0.3 * rng.normal(size=(n, channels))
lines = 0

def trace(frame, event, argument):
    global lines
    lines += event == "line"
    return trace

most, total, found = 0, 0, []
for x in xs:
    lines = 0
    if sys.argv[2] == "trace":
        sys.settrace(trace)
    season.observe(x, views)
    sys.settrace(None)
    most, total = max(most, lines), total + lines
    found.append(views[0][0].tolist())
print(most, total / n, memory["season.tally"].tolist(), found[-1], repr(float(memory["season.force"][0, 0])))
"""


def script(ring, how, plain):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), str(ring), how],
        env=os.environ | {"NUMBA_DISABLE_JIT": plain},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(maxsplit=2)


def test_lines_executed_in_a_row_are_bounded_and_do_not_grow_with_the_ring():
    """Counted by the interpreter, in plain Python: about ten lines a step, and a few loops over a third of the ring."""
    small, large = (script(ring, "trace", "1") for ring in (128, 512))
    for ring, (most, mean, _) in ((128, small), (512, large)):
        assert 500 < int(most) <= 12 * (2 * analysis.STEPS + 2 * analysis.OVERHEAD) + 6 * ring
        assert float(mean) <= 12 * analysis.STEPS


def test_compiled_and_plain_python_agree():
    compiled, plain = (script(256, "run", flag)[2] for flag in "01")
    assert compiled.rsplit(" ", 1)[0] == plain.rsplit(" ", 1)[0]
    assert float(compiled.split()[-1]) == pytest.approx(float(plain.split()[-1]), rel=1e-9)
    assert "[8, 0, 0]" in plain
