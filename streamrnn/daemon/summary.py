"""Summary: what replay prints when it is done, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from streamrnn.daemon.findings import Findings
from streamrnn.daemon.logs import printable
from streamrnn.daemon.scorecard import ChannelFigures, Event, Scorecard, geometric_mean
from streamrnn.daemon.words import alarm_figures, duration, hours, moment, share
from streamrnn.engine.alarms import figure, reason
from streamrnn.errors import Reason

LISTED = 20
"""Alarms that the text lists; JSON has all."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """A finished run."""

    path: str
    rows: int
    """Rows of the input."""
    scorecard: Scorecard
    rejected: dict[Reason, int]
    """Rows refused and values masked, by reason; reasons that did not occur are absent."""
    seconds: float
    """How long it took, without compiling."""
    findings: Findings | None = None
    """What the model says of itself; None where no row was used."""

    @property
    def refused(self) -> int:
        """Rows that were not used."""
        return self.rows - self.scorecard.rows


def as_text(outcome: Outcome) -> str:
    """Lines for people."""
    card, figures = outcome.scorecard, outcome.scorecard.figures()
    rate = f"{outcome.rows / max(outcome.seconds, 1e-9):,.0f} rows/s"
    lines = [f"{printable(outcome.path)}: {outcome.rows:,} rows in {outcome.seconds:.2f} s ({rate})"]
    if card.rows:
        every = f", every {duration(card.interval)}" if card.interval else ""
        lines.append(f"{moment(card.first)} to {moment(card.last)} UTC{every}")
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in outcome.rejected.items()) or "nothing"
    lines.append(f"rejected: {rejected}; values missing: {card.missing:,}")
    lines += ["", *_figures_table(figures, card.level)]
    if outcome.findings is not None:
        lines += _findings_lines(outcome.findings, card)
    lines += ["", *_alarm_lines(card.events, card.last)]
    lines += _condition_lines(card.conditions, card.last)
    return "\n".join(lines)


def as_json(outcome: Outcome) -> bytes:
    """One object; times are seconds since 1970, a figure that does not exist is null."""
    card = outcome.scorecard
    document = {
        "file": outcome.path,
        "rows": outcome.rows,
        "rows_used": card.rows,
        "rejected": {str(reason): count for reason, count in outcome.rejected.items()},
        "values_missing": card.missing,
        "first": card.first / 1e9,
        "last": card.last / 1e9,
        "interval": card.interval,
        "level": card.level,
        "seconds": outcome.seconds,
        "rows_per_second": outcome.rows / max(outcome.seconds, 1e-9),
        "channels": _channels_object(outcome),
        "seasons": list(outcome.findings.seasons or ()) if outcome.findings else [],
        "warming": card.warming,
        "alarms": [_event_object(event) for event in card.events],
        "conditions": [_condition_object(event) for event in card.conditions],
    }
    return msgspec.json.encode(document)


def _figures_table(figures: Sequence[ChannelFigures], level: float) -> list[str]:
    names = [printable(f.name) for f in figures]
    width = min(max(map(len, [*names, "geometric mean"])), 40)
    head = ("MAE", "NMAE", "RMSE", "NMSE", f"in {level:.0%} band", "mean band")
    lines = [f"{'one row ahead':{width}}" + "".join(f"{name:>13}" for name in head)]
    for name, f in zip(names, figures, strict=True):
        cells = (figure(f.mae), _ratio(f.nmae), figure(f.rmse), _ratio(f.nmse), share(f.coverage), figure(f.width))
        lines.append(f"{name[:width]:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    if len(figures) > 1:
        nmae, nmse = (geometric_mean([getattr(f, name) for f in figures]) for name in ("nmae", "nmse"))
        lines.append(f"{'geometric mean':{width}}" + f"{'':13}{_ratio(nmae):>13}{'':13}{_ratio(nmse):>13}")
    lines.append("NMAE, NMSE: absolute and squared error relative to persistence; below 1 is better")
    return lines


def _alarm_lines(events: Sequence[Event], last: int) -> list[str]:
    lines = [f"alarms: {len(events):,}"]
    for event in events[:LISTED]:
        alarm = event.raised
        value, expected, band = alarm_figures(alarm)
        odd = f", {because}" if (because := reason(alarm)) else ""
        what = f"{printable(alarm.channel)} {value}, expected {expected} ({band}){odd}, score {event.score:.2f}, "
        what += _lasting(event, last)
        lines.append(f"  {moment(alarm.since)}  {what}")
    if len(events) > LISTED:
        lines.append(f"  … and {len(events) - LISTED:,} more")
    return lines


def _condition_lines(events: Sequence[Event], last: int) -> list[str]:
    """Nothing where there was none."""
    lines = [f"conditions of the data: {len(events):,}"] if events else []
    for event in events[:LISTED]:
        alarm = event.raised
        where = f"{alarm.cause} {printable(alarm.channel)}".rstrip()
        more = {"flat": f" {figure(alarm.value)}", "rate": f" {duration(alarm.value)} for {duration(alarm.expected)}"}
        lines.append(f"  {moment(alarm.since)}  {where}{more.get(alarm.cause, '')}, {_lasting(event, last)}")
    if len(events) > LISTED:
        lines.append(f"  … and {len(events) - LISTED:,} more")
    return lines


def _findings_lines(findings: Findings, card: Scorecard) -> list[str]:
    lines = []
    known = [(n, s, r) for n, s, r in zip(card.channels, findings.skill, findings.rivals, strict=True) if r]
    if known:
        parts = [f"{printable(name)} {skill:+.3f} ({rival})" for name, skill, rival in known]
        more = f" … and {len(parts) - LISTED:,} more" if len(parts) > LISTED else ""
        lines.append(f"skill against the best simple forecast: {', '.join(parts[:LISTED])}{more}")
    if findings.seasons is not None:
        lines.append(f"seasons: {', '.join(map(hours, findings.seasons)) or 'none found'}")
    lines.append(f"warming: {card.warming:,} rows")
    return lines


def _lasting(event: Event, last: int) -> str:
    return duration((event.until(last) - event.raised.since) / 1e9) + ("" if event.cleared else ", ongoing")


def _channels_object(outcome: Outcome) -> dict[str, Any]:
    found, channels = outcome.findings, {}
    for place, figures in enumerate(outcome.scorecard.figures()):
        said = {"skill": _number(found.skill[place]), "rival": found.rivals[place] or None} if found else {}
        channels[figures.name] = _figures_object(figures) | said
    return channels


def _figures_object(figures: ChannelFigures) -> dict[str, Any]:
    names = ("judged", "mae", "rmse", "persistence_mae", "persistence_rmse", "nmae", "nmse", "coverage", "width")
    return {name: _number(getattr(figures, name)) for name in names}


def _event_object(event: Event) -> dict[str, Any]:
    alarm = event.raised
    numbers = {name: _number(getattr(alarm, name)) for name in ("value", "expected", "lower", "upper")}
    return {
        "since": alarm.since / 1e9,
        "until": event.cleared.time / 1e9 if event.cleared else None,
        "channel": alarm.channel,
        "cause": alarm.cause,
        "score": event.score,
        **numbers,
        "why": [
            {"channel": part.channel, "share": _number(part.share), "expected": _number(part.expected)}
            for part in alarm.why
        ],
        "ways": {way.name: way.share for way in alarm.ways},
    }


def _condition_object(event: Event) -> dict[str, Any]:
    alarm = event.raised
    return {
        "since": alarm.since / 1e9,
        "until": event.cleared.time / 1e9 if event.cleared else None,
        "channel": alarm.channel,
        "cause": alarm.cause,
        "value": _number(alarm.value),
        "expected": _number(alarm.expected),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ratio(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
