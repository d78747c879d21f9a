"use strict";
(() => {
  const root = document.documentElement;
  window.addEventListener("error", (event) => { root.dataset.error = event.message; });

  const data = JSON.parse(document.getElementById("data").textContent);
  const decode = (text, kind) => new kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const series = (text, offset) => broken(Array.from(decode(text, Float32Array), (v) => (Number.isFinite(v) ? v + offset : null)), () => null);
  const drawn = Array.from(decode(data.time, Float64Array));
  // A line that is drawn over a gap would say what nobody knows: an empty point stands in it.
  const breaks = drawn.map((t, i) => i > 0 && data.interval > 0 && t - drawn[i - 1] > 3 * data.rows * data.interval);
  const broken = (column, empty) => column.flatMap((v, i) => (breaks[i] ? [empty(i), v] : [v]));
  const times = broken(drawn, (i) => (drawn[i] + drawn[i - 1]) / 2);
  if (times.length === 0) {
    root.dataset.drawn = "0";
    return;
  }
  const whole = { min: times[0], max: Math.max(times[times.length - 1], times[0] + 1e-3) };
  const span = ([from, to, ongoing, resolved, channel]) => ({ from, to, ongoing, resolved: resolved === 1, channel });
  const events = data.events.map(span);
  const conditions = data.conditions.map(span);
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

  function readout(u, target) {
    const at = u.cursor.idx;
    const line = target.closest(".plot").querySelector(".readout");
    if (at == null) {
      line.textContent = "";
      return;
    }
    const values = u.data.slice(1).map((column) => number(u, column[at]));
    const told = values.length === 1 ? [`score ${values[0]}`] : [`measured ${values[3]}`, `expected ${values[2]}`, `band ${values[1]} … ${values[0]}`];
    line.textContent = [`${stamp(times[at])} UTC`, ...told].join(" · ");
  }

  // As many decimals as tell a hundredth of the plot's height apart.
  function number(u, value) {
    if (value == null) return "–";
    const height = u.scales.y.max - u.scales.y.min;
    const decimals = Math.min(Math.max(0, 2 - Math.floor(Math.log10(height))), 12);
    return value.toLocaleString("en", { maximumFractionDigits: decimals });
  }

  function shade(u, from, to, colour) {
    const { top, height } = u.bbox;
    const left = u.valToPos(from, "x", true);
    const width = Math.max(u.valToPos(to, "x", true) - left, 2 * devicePixelRatio);
    u.ctx.fillStyle = style(colour);
    u.ctx.fillRect(left, top, width, height);
    return left;
  }

  const seen = (u, span) => span.to >= u.scales.x.min && span.from <= u.scales.x.max;
  const concerns = (span, channel) => channel === null || span.channel === -1 || span.channel === channel;

  // Behind the lines: warming, conditions of this channel, all events; those of other channels are paler.
  function markSpans(u, channel) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    if (data.warm !== null && data.warm > u.scales.x.min) shade(u, whole.min, data.warm, "--warming");
    for (const span of conditions) if (seen(u, span) && concerns(span, channel)) shade(u, span.from, span.to, "--condition");
    for (const event of events) {
      if (!seen(u, event)) continue;
      ctx.globalAlpha = concerns(event, channel) ? 1 : 0.4;
      shade(u, event.from, event.to, "--alarm-area");
      if (event.ongoing !== null) shade(u, event.ongoing, event.to, "--ongoing-area");
    }
    ctx.restore();
  }

  // Over the lines: start, end and number of the events that began with this channel. Numbers that would overlap are left out.
  function markEdges(u, channel) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const dot = devicePixelRatio;
    let free = left;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, 0, width, top + height);
    ctx.clip();
    ctx.font = `600 ${11 * dot}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    events.forEach((event, index) => {
      if (!seen(u, event) || !concerns(event, channel)) return;
      const from = u.valToPos(event.from, "x", true);
      const to = u.valToPos(event.to, "x", true);
      ctx.fillStyle = style("--alarm");
      ctx.fillRect(from - dot / 2, top, 1.5 * dot, height);
      if (event.resolved && to - from > 4 * dot) for (let y = top; y < top + height; y += 5 * dot) ctx.fillRect(to - dot, y, 1.5 * dot, 2 * dot);
      const text = String(index + 1);
      const wide = ctx.measureText(text).width + 8 * dot;
      const at = Math.min(Math.max(from - wide / 2, left), left + width - wide);
      if (at < free) return;
      free = at + wide + 2 * dot;
      ctx.fillRect(at, top - 15 * dot, wide, 15 * dot);
      ctx.fillStyle = style("--on-alarm");
      ctx.fillText(text, at + 4 * dot, top - 7 * dot);
    });
    ctx.restore();
  }

  function options(target, channel, lines, bands, yRange) {
    const low = target.classList.contains("low");
    const axis = { stroke: () => style("--soft"), grid: { stroke: () => style("--grid"), width: 1 }, ticks: { show: false } };
    return {
      width: target.clientWidth,
      height: low ? 125 : 200,
      padding: [16, null, null, null],
      legend: { show: false },
      tzDate: inUtc,
      cursor: { sync: { key: "replay" }, drag: { x: true, y: false } },
      scales: { x: { time: true, min: whole.min, max: whole.max }, y: { range: yRange } },
      axes: [
        { ...axis, space: 70, size: 40, values: timeTicks },
        { ...axis, size: axisWidth, values: valueTicks },
      ],
      series: [{}, ...lines],
      bands,
      hooks: {
        drawClear: [(u) => markSpans(u, channel)],
        draw: [(u) => markEdges(u, channel)],
        setCursor: [(u) => readout(u, target)],
        setScale: [(u, key) => { if (key === "x") show(u.scales.x.min, u.scales.x.max); }],
      },
    };
  }

  function draw(target, opts, columns) {
    const plot = new uPlot(opts, [times, ...columns], target);
    new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: opts.height })).observe(target);
    plots.push(plot);
  }

  // A value between two gaps has no line: it is a dot.
  const alone = (u, index) => u.data[index].flatMap((v, i, all) => (v != null && all[i - 1] == null && all[i + 1] == null ? [i] : []));
  const line = (colour, more) => ({ stroke: () => style(colour), points: { show: true, size: 3, filter: alone }, width: 1.5, ...more });
  const padded = (u, low, high) => {
    if (low == null) return [0, 1];
    const pad = 0.12 * (high - low) || Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  };

  data.channels.forEach((channel, index) => {
    const target = document.getElementById(`plot-${index}`);
    const lines = [
      line("--band", { width: 0, auto: false, points: { show: false } }),
      line("--band", { width: 0, auto: false, points: { show: false } }),
      line("--expected", { width: 1 }),
      line("--value"),
    ];
    const bands = [{ series: [1, 2], fill: () => style("--band") }];
    const columns = [channel.upper, channel.lower, channel.expected, channel.value];
    draw(target, options(target, index, lines, bands, padded), columns.map((text) => series(text, channel.offset)));
  });
  const target = document.getElementById("plot-score");
  draw(
    target,
    options(target, null, [line("--value")], [], () => [0, 1]),
    [series(data.score, 0)],
  );

  let current = -1;
  function show(min, max) {
    if (settingView) return;
    settingView = true;
    view = { min, max };
    const before = widest;
    for (const plot of plots) plot.batch(() => plot.setScale("x", view));
    if (widest !== before) for (const plot of plots) plot.redraw(false, true);
    settingView = false;
    const event = current >= 0 && seen({ scales: { x: view } }, events[current]) ? `Event ${current + 1} of ${events.length}: ` : "";
    document.getElementById("window").textContent = `${event}${stamp(min)} to ${stamp(max)} UTC`;
  }

  function within(min, max) {
    const width = Math.min(max - min, whole.max - whole.min);
    const start = Math.min(Math.max(min, whole.min), whole.max - width);
    show(start, start + width);
  }

  function showEvent(index) {
    current = index;
    const event = events[index];
    const around = Math.max(2 * (event.to - event.from), 60 * data.interval, 1e-3);
    within(event.from - around, event.to + around);
    for (const button of document.querySelectorAll("button[data-event]")) {
      button.closest("tr").classList.toggle("shown", Number(button.dataset.event) === index);
    }
  }

  const middle = () => (view.min + view.max) / 2;
  function step(direction) {
    if (events.length > 0) showEvent(Math.min(Math.max(current + direction, 0), events.length - 1));
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
    button.disabled = events.length === 0 && ["previous", "next"].includes(button.dataset.do);
  }
  for (const plot of document.querySelectorAll(".plot")) {
    plot.addEventListener("keydown", (event) => {
      const name = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (name === undefined) return;
      event.preventDefault();
      actions[name]();
    });
  }
  for (const button of document.querySelectorAll("button[data-event]")) {
    button.addEventListener("click", () => {
      const index = Number(button.dataset.event);
      showEvent(index);
      const plot = (document.getElementById(`plot-${events[index].channel}`) ?? target).closest(".plot");
      plot.scrollIntoView({ block: "start" });
      plot.focus({ preventScroll: true });
    });
  }

  // Paper is white, and as wide as paper is.
  const PAPER = 660;
  addEventListener("beforeprint", () => {
    root.dataset.print = "";
    for (const list of document.querySelectorAll("details")) list.open = true;
    for (const plot of plots) plot.setSize({ width: PAPER, height: plot.height });
  });
  addEventListener("afterprint", () => {
    delete root.dataset.print;
    for (const plot of plots) plot.setSize({ width: plot.root.parentElement.clientWidth, height: plot.height });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.redraw()));
  show(whole.min, whole.max);
  for (const plot of plots) plot.redraw(false, true);
  root.dataset.drawn = String(plots.length);
})();
