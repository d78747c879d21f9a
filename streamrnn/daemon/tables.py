"""Tables of the report: events, conditions of the data, forecasts. All text of the input is escaped here.

On a narrow screen a row becomes a card (report.css): each cell carries its column's name, and all their roles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from streamrnn.daemon.findings import Findings
from streamrnn.daemon.scorecard import ChannelFigures, Event
from streamrnn.daemon.words import alarm_figures, condition, count, duration, moment, share
from streamrnn.engine.alarms import figure, reason
from streamrnn.engine.ports import Alarm

LISTED = 1000
"""Events that the table lists, the oddest ones; conditions, the first ones. The plots mark all."""
OPEN = 12
"""Conditions that are shown without asking."""
NAMED = 4
"""Channels that carried an event, that are named."""
LEAST = 0.05
"""Share from which a channel is named."""


def events_table(events: Sequence[Event], last: int, channels: int) -> str:
    """What happened, in the order of time; `last`: the end of all rows, nanoseconds since 1970."""
    if not events:
        return "<p>None.</p>"
    listed = sorted(sorted(range(len(events)), key=lambda i: -events[i].score)[:LISTED])
    head = ["Event", "How long", "How odd", "Came", "Expected", "Why"]
    head += ["Carried by"] if channels > 1 else []
    rows = []
    for place in listed:
        event = events[place]
        alarm = event.raised
        value, expected, band = alarm_figures(alarm)
        named = f"{_name(alarm.channel)} " if channels > 1 else ""
        cells = [
            f"{_length(event, last)}<br>{_state(event)}",
            f'<span class="part"><i style="width:{event.score:.0%}"></i>{event.score:.2f}</span>',
            f"{named}<strong>{value}</strong>",
            f'{expected}<br><span class="soft">{band}</span>',
            escape(reason(alarm)) or "–",
        ]
        cells += [_carriers(alarm)] if channels > 1 else []
        rows.append([_link(place, alarm), *cells])
    more = ""
    if len(events) > len(listed):
        more = f"<p>The {len(listed):,} oddest of {len(events):,} are listed; the plots mark all.</p>"
    return _table(head, rows, "table tall events") + more


def conditions_table(conditions: Sequence[Event], last: int) -> str:
    """What was the matter with the data."""
    if not conditions:
        return "<p>None.</p>"
    rows = [
        [moment(event.raised.since), _length(event, last) + ("" if event.cleared else ", ongoing"),
         escape(event.raised.cause), _name(event.raised.channel) if event.raised.channel else "all",
         escape(condition(event.raised))]
        for event in conditions[:LISTED]
    ]  # fmt: skip
    more = f"<p>The first {LISTED:,} of {len(conditions):,} are listed.</p>" if len(conditions) > LISTED else ""
    head = ["Since (UTC)", "How long", "Condition", "Channel", "What"]
    table = _table(head, rows, "table tall conditions") + more
    if len(conditions) <= OPEN:
        return table
    return f"<details><summary>{count(len(conditions), 'condition')}</summary>{table}</details>"


def forecasts_table(figures: Sequence[ChannelFigures], findings: Findings | None, level: float) -> str:
    """How good the forecasts of each channel were, one row ahead."""
    head = ["Channel", "Skill", "Best simple forecast", "Mean error", "Error / last value", "Root mean square",
            f"In the {level:.0%} band", "Mean band", "Judged"]  # fmt: skip
    rows = []
    for place, f in enumerate(figures):
        skill, rival = (findings.skill[place], findings.rivals[place]) if findings else (math.nan, "")
        rows.append([
            _name(f.name), graded(skill), escape(rival) or "–", figure(f.mae), _ratio(f.nmae), figure(f.rmse),
            share(f.coverage), figure(f.width), f"{f.judged:,}",
        ])  # fmt: skip
    return _table(head, rows, "table forecasts")


def graded(skill: float) -> str:
    """A skill with its sign, coloured."""
    if math.isnan(skill):
        return "–"
    return f'<span class="{"better" if skill > 0.0 else "worse"}">{skill:+.1%}</span>'


def _link(place: int, alarm: Alarm) -> str:
    when = moment(alarm.since)
    return (
        f'<button type="button" class="link" data-event="{place}" aria-label="Event {place + 1}, {when} UTC: '
        f'show it in the plots"><span class="number">{place + 1}</span> {when}</button>'
    )


def _state(event: Event) -> str:
    state = "resolved" if event.cleared else "ongoing"
    return f'<span class="state {state}">{state}</span>'


def _length(event: Event, last: int) -> str:
    return duration((event.until(last) - event.raised.since) / 1e9)


def _carriers(alarm: Alarm) -> str:
    parts = sorted((part for part in alarm.why if part.share >= LEAST), key=lambda part: -part.share)
    lines = [
        f'<span class="part"><i style="width:{part.share:.1%}"></i>{part.share:.0%} {_name(part.channel)}</span>'
        for part in parts[:NAMED]
    ]
    more = len(alarm.why) - len(lines)
    if more > 0:
        rest = 1.0 - sum(part.share for part in parts[:NAMED])
        lines.append(f'<span class="soft">{max(rest, 0.0):.0%} {more} other{"s" if more > 1 else ""}</span>')
    return "".join(lines) if parts else "–"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str) -> str:
    top = "".join(f'<th scope="col" role="columnheader">{escape(name)}</th>' for name in head)
    body = "\n".join(
        f'<tr role="row"><th scope="row" role="rowheader">{first}</th>'
        + "".join(
            f'<td role="cell" data-label="{escape(name)}"><div>{cell}</div></td>'
            for name, cell in zip(head[1:], rest, strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="{kind}" tabindex="0"><table role="table"><thead role="rowgroup"><tr role="row">{top}</tr></thead>'
        f'<tbody role="rowgroup">\n{body}\n</tbody></table></div>'
    )


def _name(text: str) -> str:
    return f'<span class="name" title="{escape(text)}">{escape(text)}</span>'


def _ratio(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
