"""Report: one self-contained HTML page of a run, with its plots, alarms and errors. It asks nothing of any network.

All text that comes from the input is escaped; the page's own policy lets only its own scripts run.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

import msgspec

from streamrnn.daemon.picture import Picture
from streamrnn.daemon.scorecard import ChannelFigures, Event, Scorecard, geometric_mean
from streamrnn.engine.alarms import figure
from streamrnn.engine.ports import Alarm

LISTED = 500
"""Alarms that the table lists and the plots mark, the first ones."""


@dataclass(slots=True, frozen=True)
class Report:
    """What a page is made of."""

    title: str
    scorecard: Scorecard
    picture: Picture
    refused: int
    """Rows that were not used."""
    seconds: float
    """How long the run took."""
    model: str
    """The model, in words."""


def page(report: Report) -> str:
    """The whole page, UTF-8 text without any outside reference."""
    card = report.scorecard
    figures, events = card.figures(), card.events[:LISTED]
    data = msgspec.json.encode(report.picture.data(events, card.interval)).decode()
    scripts = [_asset("vendor/uplot/uPlot.iife.min.js"), _asset("report.js")]
    return Template(_asset("report.html")).substitute(
        policy=escape(_policy(scripts)),
        title=escape(report.title),
        period=_period(card),
        verdict=escape(verdict(card, figures)),
        cards=_cards(report, figures),
        band=f"the shaded band is meant to hold {card.level:.0%} of them.",
        level=f"{card.level:.0%}",
        thinned=_thinned(report.picture, len(card.channels)),
        plots=_plots(report.picture.channels),
        alarms=_alarms(events, len(card.events), card.last),
        errors=_errors(figures),
        footer=_footer(report),
        uplot_css=_asset("vendor/uplot/uPlot.min.css"),
        css=_asset("report.css"),
        data=data,
        uplot_js=scripts[0],
        js=scripts[1],
    )


def verdict(card: Scorecard, figures: Sequence[ChannelFigures]) -> str:
    """The run in two sentences."""
    if not card.rows:
        return "There was no row to judge."
    count = len(card.events)
    alarms = "No alarm" if count == 0 else "1 alarm" if count == 1 else f"{count:,} alarms"
    text = f"{alarms} in {duration((card.last - card.first) / 1e9)}."
    gain = 1.0 - geometric_mean([channel.nmae for channel in figures])
    if math.isnan(gain):
        return text + " Too little changed to judge the forecasts."
    grade = "as large as" if abs(gain) < 0.005 else f"{abs(gain):.0%} {'smaller' if gain > 0 else 'larger'} than"
    return f"{text} Forecast errors were {grade} those of assuming that nothing changes."


def duration(seconds: float) -> str:
    """A time span for people, in its two largest units.

    >>> duration(0.25), duration(90), duration(86400), duration(1e6)
    ('0.25 s', '1 min 30 s', '1 d', '11 d 13 h')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(part for part in parts[:2] if part)


def moment(time: int) -> str:
    """Nanoseconds since 1970 as UTC text, to the second, or to the millisecond where there is a fraction.

    >>> moment(1_500_000_000_000_000_000), moment(1_500_000_000_250_000_000)
    ('2017-07-14 02:40:00', '2017-07-14 02:40:00.250')
    """
    seconds, rest = divmod(time, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest // 10**6:03d}" if rest >= 10**6 else text


def alarm_figures(alarm: Alarm) -> tuple[str, str, str]:
    """Value, forecast and band of an alarm, with the digits that tell them apart.

    >>> alarm_figures(Alarm("s", 0, "started", 0.6, "a", 1000025.0, 1000000.0, 999998.4, 1000001.6, 0))
    ('1,000,025.00', '1,000,000.00', '999,998.40 … 1,000,001.60')
    """
    width = alarm.upper - alarm.lower
    if not math.isfinite(width) or width <= 0.0:
        return figure(alarm.value), figure(alarm.expected), f"{figure(alarm.lower)} … {figure(alarm.upper)}"
    decimals = min(max(0, 2 - math.floor(math.log10(width))), 12)
    value, expected, lower, upper = (
        f"{number:,.{decimals}f}" if abs(number) < 1e12 else figure(number)
        for number in (alarm.value, alarm.expected, alarm.lower, alarm.upper)
    )
    return value, expected, f"{lower} … {upper}"


def _asset(name: str) -> str:
    return files("streamrnn.daemon").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; form-action 'none'"


def _period(card: Scorecard) -> str:
    if not card.rows:
        return "no rows"
    every = f", one row every {duration(card.interval)}" if card.interval else ""
    return f"{moment(card.first)} to {moment(card.last)} UTC{every}"


def _cards(report: Report, figures: Sequence[ChannelFigures]) -> str:
    card = report.scorecard
    nmae, nmse = (geometric_mean([getattr(f, name) for f in figures]) for name in ("nmae", "nmse"))
    judged = sum(f.judged for f in figures)
    coverage = sum(f.coverage * f.judged for f in figures if f.judged) / judged if judged else math.nan
    among = "" if len(figures) == 1 else f", {len(figures)} channels"
    entries = [
        ("Alarms", f"{len(card.events):,}", "score above 0.5", ' class="odd"' if card.events else ""),
        ("Error against persistence", _ratio(nmae), f"MAE; squared {_ratio(nmse)}; below 1 is better", ""),
        ("Values inside the band", _share(coverage), f"aim {card.level:.0%}", ""),
        ("Rows", f"{card.rows:,}", f"{report.refused:,} refused, {card.missing:,} values missing{among}", ""),
    ]
    return "\n".join(
        f'<dl class="card"><dt>{name}</dt><dd{mark}>{value}</dd><dd class="about">{note}</dd></dl>'
        for name, value, note, mark in entries
    )


def _thinned(picture: Picture, channels: int) -> str:
    text = ""
    if picture.rows_per_bucket > 1:
        text = f"Drawn are the smallest and the largest value of each {picture.rows_per_bucket} rows."
    if channels > len(picture.channels):
        text += f" Plotted are the first {len(picture.channels)} of {channels} channels."
    return text


def _plots(channels: Sequence[str]) -> str:
    frame = (
        '<div class="plot" tabindex="0" role="group" aria-label="Plot: {0}">'
        '<h3>{0}</h3><div class="{1}" id="{2}"></div></div>'
    )
    plots = [frame.format(escape(name), "canvas", f"plot-{place}") for place, name in enumerate(channels)]
    return "\n".join([*plots, frame.format("Anomaly score", "canvas low", "plot-score")])


def _alarms(events: Sequence[Event], count: int, last: int) -> str:
    if not events:
        return "<p>None.</p>"
    head = ("When (UTC)", "How long", "Channel", "Value", "Expected", "Band", "Highest score", "")
    rows = []
    for place, event in enumerate(events):
        alarm = event.raised
        end = event.cleared.time if event.cleared else last
        long = duration((end - alarm.since) / 1e9) + ("" if event.cleared else ", still on")
        show = (
            f'<button type="button" data-alarm="{place}" aria-label="Show alarm of {moment(alarm.since)}">Show</button>'
        )
        cells = (
            long,
            _name(alarm.channel),
            *alarm_figures(alarm),
            f"{event.score:.2f}",
            show,
        )
        rows.append([moment(alarm.since), *cells])
    more = f"<p>The first {len(events):,} of {count:,} are listed.</p>" if count > len(events) else ""
    note = (
        '<p class="note">A value inside its band can raise an alarm too: the forecast has then followed the stream to '
        "a level that is odd for it. An alarm lasts until the stream has been quiet for a while.</p>"
    )
    return note + _table(head, rows, "table tall") + more


def _errors(figures: Sequence[ChannelFigures]) -> str:
    head = (
        "Channel",
        "Judged",
        "MAE",
        "against persistence",
        "RMSE",
        "squared, against persistence",
        "Coverage",
        "Mean band",
    )
    rows = [
        [
            _name(f.name),
            f"{f.judged:,}",
            figure(f.mae),
            _graded(f.nmae),
            figure(f.rmse),
            _graded(f.nmse),
            _share(f.coverage),
            figure(f.width),
        ]
        for f in figures
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "table") -> str:
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return (
        f'<div class="{kind}" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
    )


def _name(text: str) -> str:
    return f'<span class="name" title="{escape(text)}">{escape(text)}</span>'


def _ratio(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _graded(value: float) -> str:
    grade = "better" if value < 1.0 else "worse"
    return _ratio(value) if math.isnan(value) else f'<span class="{grade}">{_ratio(value)}</span>'


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _footer(report: Report) -> str:
    rows = report.scorecard.rows
    speed = f"{rows:,} rows in {report.seconds:.1f} s ({rows / max(report.seconds, 1e-9):,.0f} rows/s)"
    return f"Model: {escape(report.model)}. {speed}. The file holds all of its data and loads nothing."
