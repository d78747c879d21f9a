"""Seasons of a stream, found while it runs: after how many rows does it repeat itself?

Looked for in the last `ring` rows, and, for longer seasons, in the last `ring` means of 16 rows (level 1), of 256 rows
(level 2) and so on. One analysis of a window of n values a channel:

1. Each channel is freed of its line and clipped at 5 mean absolute deviations; missing values count as nothing.
2. r[l] = Σ_c Σ_t d[c, t] d[c, t + l] n / (n - l), l ≤ n / 3, each channel with unit energy, by Fourier transforms. Its
   peaks are candidates; where a candidate's multiples stand out most tells its length.
3. A peak is no proof: a random walk has peaks too. The proof is a line spectrum. With the window cut to m whole
   seasons, X[b] the Fourier coefficients, the harmonic j of the season is compared with its neighbours in frequency,

       F[j] = |X[j m]|² / mean of |X[j m + q]|²,  1 ≤ |q| ≤ w,      ln p[j] = -2 w ln(1 + F[j] / (2 w)),

   which is the tail of the F distribution with 2 and 4 w degrees of freedom: the spectrum of anything without a season
   is smooth, however red it is. -Σ ln p[j] over h harmonics has a gamma distribution: its tail is the season's p.
   How far beside its bin a plain line lies corrects the length, to hundredths of a row where the season is strong.
4. A season whose ln p is below SURE is subtracted (the mean of each phase), and the rest is searched once more: a week
   is one only beside what the day explains.

A season is in force when it was found twice running (or a multiple of it), and no more when two analyses running find
nothing of it. While one of up to ring / 32 rows is in force, short windows of 8 seasons are analysed by a machine of
their own: where the season was plain in them and no longer is, RIVALLED times running beside another season or ALONE
times without one, it is dropped, and all windows begin anew with those 8 seasons.

Source: harmonic test, Fisher, Tests of Significance in Harmonic Analysis (1929), with a local noise floor as in
Thomson, Spectrum Estimation and Harmonic Analysis (1982), §XIII; Wiener–Khinchin for r. Cost: STEPS elementary steps a
row while an analysis runs, at most about twice that, whatever the number of channels. Analyses wait for one another:
with many channels there are fewer of them, and no row is slower.
"""

from __future__ import annotations

from streamrnn.kernels.season.layout import CHANGES, TALLY, fields, views
from streamrnn.kernels.season.rows import observe

__all__ = ["CHANGES", "TALLY", "fields", "observe", "views"]
