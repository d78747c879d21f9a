"use strict";
(() => {
  const root = document.documentElement;
  window.addEventListener("error", (event) => { root.dataset.error = event.message; });

  const data = JSON.parse(document.getElementById("data").textContent);
  const decode = (text, kind) => new kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const series = (text, offset) => Array.from(decode(text, Float32Array), (v) => (Number.isFinite(v) ? v + offset : null));
  const times = Array.from(decode(data.time, Float64Array));
  if (times.length === 0) {
    root.dataset.drawn = "0";
    return;
  }
  const whole = { min: times[0], max: Math.max(times[times.length - 1], times[0] + 1e-3) };
  const plots = [];
  let view = { ...whole };
  let settingView = false;

  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const inUtc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");
  const stamp = (seconds) => new Date(seconds * 1e3).toISOString().replace("T", " ").slice(0, 19);
  const clock = (seconds, step) => stamp(seconds).slice(11, step < 60 ? 19 : 16);
  const day = (seconds) => new Date(seconds * 1e3).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const year = (seconds) => stamp(seconds).slice(0, 4);

  // Enough digits to tell neighbouring ticks apart, and no more: 1,000,020 beside 1,000,040, but 12M beside 14M.
  function valueTicks(u, ticks, axis, space, step) {
    const largest = Math.max(...ticks.map(Math.abs));
    const decimals = Math.min(Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)), 12);
    const compact = largest >= 1e5 && step >= largest / 100;
    const format = compact
      ? { notation: "compact", maximumSignificantDigits: 3 }
      : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    return ticks.map((v) => v.toLocaleString("en", format));
  }

  function timeTicks(u, ticks, axis, space, step) {
    let before = "";
    return ticks.map((t) => {
      const lines = step >= 86400 ? [day(t), year(t)] : [clock(t, step), day(t)];
      const text = lines[1] === before ? lines[0] : lines.join("\n");
      before = lines[1];
      return text;
    });
  }

  // One width for all plots, the widest that any has needed, so that the same time stands at the same place in each.
  let widest = 50;
  function axisWidth(u, labels) {
    widest = Math.max(widest, ...(labels ?? []).map((label) => 22 + 7 * label.length));
    return widest;
  }

  // As many decimals as tell a hundredth of the plot's height apart.
  function number(u, value) {
    if (value == null) return "–";
    const height = u.scales.y.max - u.scales.y.min;
    const decimals = Math.min(Math.max(0, 2 - Math.floor(Math.log10(height))), 12);
    return value.toLocaleString("en", { maximumFractionDigits: decimals });
  }

  function markAlarms(u, channel) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const alarm of data.alarms) {
      if (alarm.to < u.scales.x.min || alarm.from > u.scales.x.max) continue;
      const from = u.valToPos(alarm.from, "x", true);
      const to = Math.max(u.valToPos(alarm.to, "x", true), from + 2 * devicePixelRatio);
      const own = channel === null || alarm.channel === channel;
      ctx.globalAlpha = own ? 1 : 0.4;
      ctx.fillStyle = style("--alarm-area");
      ctx.fillRect(from, top, to - from, height);
      if (own) {
        ctx.fillStyle = style("--alarm");
        ctx.fillRect(from, top, 2 * devicePixelRatio, height);
      }
    }
    ctx.restore();
  }

  function options(target, channel, lines, bands, yRange) {
    const low = target.classList.contains("low");
    const axis = { stroke: () => style("--soft"), grid: { stroke: () => style("--grid"), width: 1 }, ticks: { show: false } };
    return {
      width: target.clientWidth,
      height: low ? 130 : 190,
      tzDate: inUtc,
      cursor: { sync: { key: "replay" }, drag: { x: true, y: false } },
      scales: { x: { time: true, min: whole.min, max: whole.max }, y: { range: yRange } },
      axes: [
        { ...axis, space: 70, values: timeTicks },
        { ...axis, size: axisWidth, values: valueTicks },
      ],
      series: [{ label: "Time (UTC)", value: (u, v) => (v == null ? "–" : stamp(v)) }, ...lines],
      bands,
      hooks: {
        drawClear: [(u) => markAlarms(u, channel)],
        setScale: [(u, key) => { if (key === "x") show(u.scales.x.min, u.scales.x.max); }],
      },
    };
  }

  function draw(target, opts, columns) {
    const plot = new uPlot(opts, [times, ...columns], target);
    new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: opts.height })).observe(target);
    plots.push(plot);
  }

  const line = (label, colour, more) => ({
    label, stroke: () => style(colour), value: number, points: { show: false }, width: 1.5, ...more,
  });
  const padded = (u, low, high) => {
    if (low == null) return [0, 1];
    const pad = 0.12 * (high - low) || Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  };

  data.channels.forEach((channel, index) => {
    const target = document.getElementById(`plot-${index}`);
    const lines = [
      line("Band, high", "--band", { width: 0, auto: false }),
      line("Band, low", "--band", { width: 0, auto: false }),
      line("Expected", "--expected", { width: 1 }),
      line("Measured", "--value"),
    ];
    const bands = [{ series: [1, 2], fill: () => style("--band") }];
    const columns = [channel.upper, channel.lower, channel.expected, channel.value];
    draw(target, options(target, index, lines, bands, padded), columns.map((text) => series(text, channel.offset)));
  });
  const target = document.getElementById("plot-score");
  const limit = times.map(() => 0.5);
  draw(
    target,
    options(target, null, [line("Score", "--value"), line("Alarm limit", "--alarm", { width: 1, dash: [5, 4] })], [], () => [0, 1]),
    [series(data.score, 0), limit],
  );

  function show(min, max) {
    if (settingView) return;
    settingView = true;
    view = { min, max };
    const before = widest;
    for (const plot of plots) plot.batch(() => plot.setScale("x", view));
    if (widest !== before) for (const plot of plots) plot.redraw(false, true);
    settingView = false;
    document.getElementById("window").textContent = `${stamp(min)} to ${stamp(max)} UTC`;
  }

  function within(min, max) {
    const width = Math.min(max - min, whole.max - whole.min);
    const start = Math.min(Math.max(min, whole.min), whole.max - width);
    show(start, start + width);
  }

  function showAlarm(alarm) {
    const around = Math.max(2 * (alarm.to - alarm.from), 60 * data.interval, 1e-3);
    within(alarm.from - around, alarm.to + around);
  }

  const middle = () => (view.min + view.max) / 2;
  let current = -1;
  function step(direction) {
    if (data.alarms.length === 0) return;
    current = Math.min(Math.max(current + direction, 0), data.alarms.length - 1);
    showAlarm(data.alarms[current]);
  }
  const move = (share) => within(view.min + share * (view.max - view.min), view.max + share * (view.max - view.min));
  const zoom = (factor) => {
    const half = (factor * (view.max - view.min)) / 2;
    within(middle() - half, middle() + half);
  };
  const actions = {
    back: () => move(-0.25),
    on: () => move(0.25),
    in: () => zoom(0.5),
    out: () => zoom(2),
    all: () => within(whole.min, whole.max),
    previous: () => step(-1),
    next: () => step(1),
  };
  const keys = { ArrowLeft: "back", ArrowRight: "on", "+": "in", "=": "in", "-": "out", 0: "all", p: "previous", n: "next" };

  for (const button of document.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", actions[button.dataset.do]);
    button.disabled = data.alarms.length === 0 && ["previous", "next"].includes(button.dataset.do);
  }
  for (const plot of document.querySelectorAll(".plot")) {
    plot.addEventListener("keydown", (event) => {
      const name = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (name === undefined) return;
      event.preventDefault();
      actions[name]();
    });
  }
  for (const button of document.querySelectorAll("button[data-alarm]")) {
    button.addEventListener("click", () => {
      current = Number(button.dataset.alarm);
      showAlarm(data.alarms[current]);
      document.getElementById(`plot-${data.alarms[current].channel}`)?.closest(".plot").scrollIntoView({ block: "center" });
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.redraw()));
  show(whole.min, whole.max);
  for (const plot of plots) plot.redraw(false, true);
  root.dataset.drawn = String(plots.length);
})();
