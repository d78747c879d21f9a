"""VUS-PR: the volume under the precision-recall surface (Paparrizos et al., PVLDB 15(11), 2022).

Labels are widened by buffers of 0 … L rows whose weight falls with the distance. For each width: range-based precision
and recall at 250 thresholds, the area under their curve; VUS-PR is the mean over the widths. The figures are those of
the package `vus` 0.0.6 (Apache-2.0), which would bring TensorFlow and eleven further packages.
"""

from __future__ import annotations

import numpy as np

from streamrnn._types import Bools, Floats, Ints

THRESHOLDS = 250
MOST_LAGS = 400
SHORTEST, LONGEST, USUAL = 3, 300, 125
"""Of the period: lags that are looked at, and what is taken where there is no peak between them."""


def segments(labels: Bools) -> Ints:
    """(S, 2) first and last row of each run of True."""
    edges = np.diff(labels.astype(np.int64), prepend=0, append=0)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], axis=1)


def period(values: Floats) -> int:
    """L: the highest peak of the autocorrelation of the first 20,000 values, from lag 3 on; 125 where there is none."""
    x = values[:20_000] - values[:20_000].mean()
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(MOST_LAGS + 1, len(x))]
    if not correlation[0] > 0.0:
        return USUAL
    r = correlation[SHORTEST:] / correlation[0]
    peaks = np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] > r[2:])) + 1
    if not len(peaks):
        return USUAL
    highest = int(peaks[np.argmax(r[peaks])])
    return highest + SHORTEST if SHORTEST <= highest <= LONGEST else USUAL


def vus_pr(labels: Bools, score: Floats, longest: int) -> float:
    """The volume for buffers of 0 … longest rows. labels, score (N,); at least one label is True."""
    n, runs = len(score), segments(labels)
    threshold = -np.sort(-score)[np.linspace(0, n - 1, THRESHOLDS).astype(int)]
    # the first of the falling thresholds that a row reaches: from there on it is predicted
    reach = np.searchsorted(-threshold, -score, side="left")
    predicted = np.searchsorted(np.sort(reach), np.arange(THRESHOLDS), side="right")
    positive = int(labels.sum())
    in_labels = _up_to(reach[labels], np.ones(positive))
    areas = np.empty(longest + 1)
    for width in range(longest + 1):
        weight = np.where(labels, 0.0, np.minimum(_buffers(runs, n, width), 1.0))
        near = np.flatnonzero(weight)
        in_buffers = _up_to(reach[near], weight[near])
        recall = np.minimum((in_labels + in_buffers) / ((2 * positive + in_buffers) / 2), 1.0)
        found = [reach[first : last + 1].min() for first, last in _widened(runs, n, width)]
        recall *= (np.asarray(found)[:, None] <= np.arange(THRESHOLDS)).mean(0)
        areas[width] = (np.diff(recall, prepend=0.0) * (in_labels + in_buffers) / predicted).sum()
    return float(areas.mean())


def _up_to(reach: Ints, weight: Floats) -> Floats:
    """(250,) summed weight of the rows that are predicted at each threshold."""
    return np.cumsum(np.bincount(reach, weight, THRESHOLDS)[:THRESHOLDS])


def _buffers(runs: Ints, n: int, width: int) -> Floats:
    """(N,) √(1 − d/width) at distance d ≤ width/2 from a run, summed over runs."""
    weight, half = np.zeros(n), width // 2
    for first, last in runs:
        after = np.arange(last + 1, min(last + half + 1, n))
        before = np.arange(max(first - half, 0), first)
        weight[after] += np.sqrt(1.0 - (after - last) / max(width, 1))
        weight[before] += np.sqrt(1.0 - (first - before) / max(width, 1))
    return weight


def _widened(runs: Ints, n: int, width: int) -> list[tuple[int, int]]:
    """Runs with their buffers; those that touch are one."""
    half = width // 2
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        start, end = max(int(first) - half, 0), min(int(last) + half, n - 1)
        if merged and merged[-1][1] >= start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
