"""Measurements: accuracy on real series, speed."""
