"""The page of a run: complete, self-contained, safe with any text, and drawn by a real browser without an error."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from streamrnn.daemon.picture import Picture
from streamrnn.daemon.report import Report, page
from streamrnn.daemon.scorecard import Scorecard
from streamrnn.engine.ports import Alarm, Phase, Result

NASTY = "</script><b>\"'&${x}"
HOUR = 3_600_000_000_000


def pressure(rows: int) -> np.ndarray:
    """A day's wave of ±10 about a million, 25 above it for nine rows, missing for twenty."""
    values = 1e6 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24) + np.random.default_rng(0).normal(size=rows)
    values[rows // 2 : rows // 2 + 9] += 25.0
    values[100:120] = np.nan
    return values


def made_up(rows: int = 600, channels: tuple[str, ...] = ("pressure", NASTY)) -> Report:
    """A run of an hourly pattern with a gap, and two alarms of which the second is still on."""
    time = 1_500_000_000_000_000_000 + HOUR * np.arange(rows)
    daily = 1e6 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24)
    expected = np.repeat(daily[:, None], len(channels), axis=1)
    expected[:30] = np.nan
    values = np.repeat(pressure(rows)[:, None], len(channels), axis=1)
    score = np.linspace(0.0, 0.4, rows)
    score[rows // 2] = 0.93

    def alarm(row: int, raised: bool, since: int) -> Alarm:
        band = (float(daily[row]), float(daily[row]) - 1.6, float(daily[row]) + 1.6)
        phase: Phase = "started" if raised else "resolved"
        return Alarm("s", int(time[row]), phase, 0.93, channels[0], float(values[row, 0]), *band, int(time[since]))

    result = Result(
        stream="s",
        channels=channels,
        time=time,
        values=values,
        expected=expected,
        lower=expected - 1.6,
        upper=expected + 1.6,
        score=score,
        share=np.zeros_like(values),
        forecast=np.zeros((rows, 1, len(channels))),
        forecast_lower=np.zeros((rows, 1, len(channels))),
        forecast_upper=np.zeros((rows, 1, len(channels))),
        level=0.9,
        interval=3600.0,
        warming=np.zeros(rows, np.bool_),
        alarms=[
            alarm(rows // 2, True, rows // 2),
            alarm(rows // 2 + 9, False, rows // 2),
            alarm(rows - 5, True, rows - 6),
        ],
    )
    scorecard, picture = Scorecard(channels), Picture(channels)
    scorecard.add(result)
    picture.add(result)
    return Report("pump <1>.csv", scorecard, picture, refused=3, seconds=0.5, model="elman, rtrl")


class Outline(HTMLParser):
    """Tags, references and the embedded data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_data = ("id", "data") in attrs
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
        self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def test_text_of_the_input_stays_text() -> None:
    outline = Outline(page(made_up()))
    assert "b" not in outline.tags
    assert outline.tags.count("script") == 3
    assert NASTY in outline.text
    assert "pump <1>.csv" in outline.text


def test_the_page_refers_to_nothing_outside() -> None:
    outline = Outline(page(made_up()))
    assert outline.references == ["#alarms"]
    assert "url(" not in page(made_up())
    assert "default-src 'none'" in page(made_up()).replace("&#x27;", "'")


def test_figures_and_alarms_stand_in_the_tables() -> None:
    text = page(made_up())
    assert "2 alarms in 24 d 23 h." in text
    assert "% smaller than those of assuming that nothing changes" in text
    assert text.count('<tr><th scope="row">') == 4
    assert "still on" in text
    assert "9 h" in text
    assert "3 refused, 40 values missing" in text


def test_numbers_of_the_plot_keep_small_movements_of_large_values() -> None:
    data = json.loads(Outline(page(made_up())).data)
    assert data["alarms"][0]["to"] - data["alarms"][0]["from"] == 9 * 3600
    channel = data["channels"][0]
    stored = np.frombuffer(base64.b64decode(channel["value"]), "<f4").astype(float) + channel["offset"]
    np.testing.assert_allclose(stored, pressure(600), rtol=0, atol=1e-5)


def test_a_long_run_gives_a_small_page_that_says_what_it_shows() -> None:
    report = made_up(300_000)
    text = page(report)
    assert len(text.encode()) < 3_000_000
    assert f"smallest and the largest value of each {report.picture.rows_per_bucket} rows" in text
    assert "smallest and the largest value" not in page(made_up())


def test_a_page_without_rows_is_a_page() -> None:
    text = page(Report("empty.csv", Scorecard(("a",)), Picture(("a",)), 0, 0.0, "elman"))
    assert "There was no row to judge." in text


def browser() -> str:
    """Path of chromium. Skips where it is not installed, but fails on a CI machine, where it must be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "chromium is not installed: the page is not drawn"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def drawn(text: str, folder: Path) -> str:
    """A page's DOM after its scripts have run."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += [
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command = [browser(), *flags, "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("rows", [600, 0])
def test_a_browser_draws_the_page(tmp_path: Path, rows: int) -> None:
    report = made_up() if rows else Report("empty.csv", Scorecard(("a",)), Picture(("a",)), 0, 0.0, "elman")
    dom = drawn(page(report), tmp_path)
    opening = re.search(r"<html[^>]*>", dom)
    assert opening is not None
    assert "data-error" not in opening.group()
    assert f'data-drawn="{3 if rows else 0}"' in opening.group()
    assert dom.count("<canvas") == (3 if rows else 0)


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("document.querySelector('[data-do=in]').click()", "2017-07-20 08:25:00 to 2017-08-01 19:55:00"),
        ("document.querySelector('[data-alarm=\"0\"]').click()", "2017-07-24 02:40:00 to 2017-07-29 11:40:00"),
        ("press('n'); press('0'); press('n')", "2017-08-02 20:40:00 to 2017-08-08 01:40:00"),
        ("press('+'); press('ArrowLeft'); press('-')", "2017-07-14 02:40:00 to 2017-08-08 01:40:00"),
    ],
)
def test_buttons_and_keys_move_all_plots(tmp_path: Path, action: str, shown: str) -> None:
    press = """
        const plot = document.querySelector(".plot");
        const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
    """
    tell = """;
        const when = (seconds) => new Date(seconds * 1e3).toISOString().replace("T", " ").slice(0, 19);
        const spans = drawn.map((plot) => `${when(plot.scales.x.min)} to ${when(plot.scales.x.max)}`);
        document.documentElement.dataset.spans = spans.join("|");
    """
    text = re.sub(r"<meta http-equiv=.Content-Security-Policy[^>]*>", "", page(made_up()))
    text = text.replace("const plots = [];", "const plots = (window.drawn = []);")
    dom = drawn(text.replace("</body>", f"<script>{press}{action}{tell}</script></body>"), tmp_path)
    opening = dom[: dom.index("<head>")]
    assert "data-error" not in opening
    assert f'data-spans="{"|".join([shown] * 3)}"' in opening
    assert f'aria-live="polite">{shown} UTC</output>' in dom


def test_the_page_lets_no_other_script_run(tmp_path: Path) -> None:
    text = page(made_up()).replace("</body>", "<script>document.documentElement.dataset.stranger = 1</script></body>")
    assert "data-stranger" not in drawn(text, tmp_path).split("<head>")[0]
