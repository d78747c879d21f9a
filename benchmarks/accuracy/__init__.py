"""Accuracy of the default recipe on real series, beside simple and published online forecasters.

    python -m benchmarks.accuracy [DATA] [--only TABLE …] [--peers NAME …] [--fast] [--json OUT]

docs/accuracy.md explains the protocols and has the tables of this version.
"""
