"""Story: a finished run in sentences, for whoever reads the report first and perhaps alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamrnn.daemon.findings import Findings
from streamrnn.daemon.scorecard import GAP, GAPS, ChannelFigures, Event, Scorecard
from streamrnn.daemon.summary import Outcome
from streamrnn.daemon.words import against, count, duration, hours, moment, share, times
from streamrnn.engine.ports import CONDITIONS
from streamrnn.tasks._scoring import WARM

WEEK = 604_800.0
"""Seconds."""


def verdict(outcome: Outcome) -> str:
    """The run in two sentences."""
    card = outcome.scorecard
    if not card.rows:
        return "There was no row to judge."
    events = count(len(card.events), "event") if card.events else "No event"
    on = sum(event.cleared is None for event in card.events)
    text = f"{events} in {duration((card.last - card.first) / 1e9)}{f', {on} of them ongoing' if on else ''}."
    overall = outcome.findings.overall if outcome.findings else math.nan
    if math.isnan(overall):
        return text + " Too little changed to judge the forecasts."
    return f"{text} Forecast errors were {against(overall)} those of the best simple forecast."


def story(outcome: Outcome, alarms_per_week: float) -> list[tuple[str, str]]:
    """Subject and sentences of each part of the run, plain text; empty where there were no rows."""
    card, found = outcome.scorecard, outcome.findings
    if not card.rows:
        return []
    figures = card.figures()
    parts = [
        ("Seen", _seen(outcome)),
        ("Warming", _warming(card)),
        ("Events", _events(card, alarms_per_week)),
        ("Forecasts", _forecasts(card.channels, found)),
        ("Bands", f"{share(coverage(figures))} of all values came inside the band that aims at {card.level:.0%}."),
        ("Seasons", _seasons(found)),
        ("Data", _data(outcome)),
    ]
    return [(subject, text) for subject, text in parts if text]


def coverage(figures: Sequence[ChannelFigures]) -> float:
    """Share of values inside the band, over all channels; NaN where none was judged."""
    judged = sum(f.judged for f in figures)
    return sum(f.coverage * f.judged for f in figures if f.judged) / judged if judged else math.nan


def _seen(outcome: Outcome) -> str:
    card = outcome.scorecard
    every = f", one every {duration(card.interval)}" if card.interval else ""
    text = f"{count(card.rows, 'row')} of {count(len(card.channels), 'channel')}"
    text += f" in {duration((card.last - card.first) / 1e9)}{every}."
    if outcome.refused:
        reasons = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in outcome.rejected.items())
        text += f" {count(outcome.refused, 'row was', 'rows were')} not used{f' ({reasons})' if reasons else ''}."
    return text


def _warming(card: Scorecard) -> str:
    need = f"until {WARM:.0f} values of each channel are known, nothing is called odd"
    if card.warm is None:
        return f"The model was warming to the end: {need}."
    if not card.warming:
        return ""
    span = duration((card.warm - card.first) / 1e9)
    return f"The model was warming for the first {count(card.warming, 'row')} ({span}): {need}."


def _events(card: Scorecard, alarms_per_week: float) -> str:
    budget = f"The budget for false alarms is {alarms_per_week:g} a week."
    if not card.events:
        return f"Nothing was odd enough to be told. {budget}"
    seconds = (card.last - card.first) / 1e9
    lasted = _together(card.events, card.last)
    text = f"{count(len(card.events), 'event')}, {duration(lasted)} in all"
    text += f" ({lasted / seconds:.1%} of the time)" if seconds > 0.0 else ""
    if seconds >= WEEK:
        text += f", {len(card.events) / seconds * WEEK:.2g} a week"
    on = sum(event.cleared is None for event in card.events)
    text += f"; {on} ongoing at the end." if on else "; all resolved."
    oddest = max(card.events, key=lambda event: event.score)
    return f"{text} The oddest began {moment(oddest.raised.since)} UTC, score {oddest.score:.2f}. {budget}"


def _forecasts(channels: Sequence[str], found: Findings | None) -> str:
    judged = [(s, name, rival) for s, name, rival in zip(found.skill, channels, found.rivals, strict=True) if rival
              and not math.isnan(s)] if found else []  # fmt: skip
    if found is None or not judged:
        return "Too little changed to judge the forecasts."
    text = f"One row ahead, errors were {against(found.overall)} those of the best simple forecast"
    if len(judged) == 1:
        return f"{text}, {judged[0][2]}."
    (low, worst, _), (high, best, _) = min(judged), max(judged)
    better = sum(skill > 0.0 for skill, _, _ in judged)
    return (
        f"{text} of each channel; smaller on {better} of {len(judged)} channels, "
        f"from {low:+.1%} ({worst}) to {high:+.1%} ({best}) in skill."
    )


def _seasons(found: Findings | None) -> str:
    if found is None or found.seasons is None:
        return "Seasons are not looked for in the lean tier." if found else ""
    if not found.seasons:
        return "No season was in force at the end."
    return f"In force at the end: {', '.join(map(hours, found.seasons))}."


def _data(outcome: Outcome) -> str:
    card = outcome.scorecard
    parts = [f"{count(card.missing, 'value was', 'values were')} missing or masked"] if card.missing else []
    words = {"missing": "values were missing for long", "flat": "a value was stuck", "rate": "the sampling interval "
             "changed", "silent": "the stream was silent"}  # fmt: skip
    for cause in CONDITIONS:
        events = [event for event in card.conditions if event.raised.cause == cause]
        if events:
            lasted = duration(_together(events, card.last))
            parts.append(f"{words[cause]} {times(len(events))} ({lasted} in all)")
    gaps = card.gaps()
    if len(gaps):
        many = times(len(gaps)) + (" or more" if len(gaps) == GAPS else "")
        parts.append(f"{many} no row came for more than {GAP:g} intervals, at the longest for {duration(gaps[-1])}")
    still = [f.name for f in outcome.scorecard.figures() if f.judged and f.persistence_mae == 0.0]
    if still:
        parts.append(f"{still[0] if len(still) == 1 else count(len(still), 'channel')} never changed")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else "No value was missing or stuck, and no row failed to come."


def _together(events: Sequence[Event], last: int) -> float:
    return sum(event.until(last) - event.raised.since for event in events) / 1e9
