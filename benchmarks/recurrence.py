"""What the net, and credit through time, bring on streams with memory.

    python -m benchmarks.recurrence [--rows N] [--seeds N] [--only WORD] [--recipe JSON] [--json OUT]

Eighteen streams as plants and servers have them, of three kinds: hidden modes, long or irregular memory, interacting
channels. Each is forecast 1 … 24 rows ahead by the default recipe without a net (`units = 0`) and with one whose
learner is `frozen`, `immediate` and `rtrl`. Printed are the squared errors of the model without a net relative to
persistence's, one row ahead and as the mean of 24, then by how much each learner changes them; below them geometric
means by kind. Three streams of each kind served to choose the design (`chosen on`, seeds 0 to 4), the other three
judge it; the seeds used here come after those. The first quarter of the rows isn't judged, nor are channels that come
from outside (operators, weather, upstream plants): those the model sees.

Each stream is the plain simulation of a device with its sensors' noise. Where a net brings nothing it stays in the
table. `steps` and `wander` stand for operators and for weather.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from streamrnn import Forecaster
from streamrnn._types import Floats, Ints

Draw: TypeAlias = np.random.Generator
SECOND = 1_000_000_000
ROWS, UNJUDGED, HORIZON = 10_000, 0.25, 24
FIRST_SEED, SEEDS = 30, 3
LEARNERS = ("frozen", "immediate", "rtrl")
CHOSEN_ON, JUDGED_ON = "chosen on", "judged on"


def regular(_g: Draw, n: int) -> Floats:
    """Rows at equal distances: length 1 each."""
    return np.ones(n)


def wander(g: Draw, n: int, rows: float) -> Floats:
    """A slow disturbance (n,): mean 0, variance 1, correlation e^(-1) after so many rows."""
    keep = float(np.exp(-1.0 / rows))
    news = g.normal(size=n) * np.sqrt(1.0 - keep * keep)
    x, value = np.empty(n), g.normal()
    for t in range(n):
        value = keep * value + news[t]
        x[t] = value
    return x


def steps(g: Draw, n: int, shortest: int, longest: int, draw: Callable[[float], float]) -> Floats:
    """A setting (n,) that holds for `shortest` to `longest` rows; `draw` makes the next of the last, NaN at first."""
    x, value, t = np.empty(n), float("nan"), 0
    while t < n:
        length = int(g.integers(shortest, longest + 1))
        value = draw(value)
        x[t : t + length] = value
        t += length
    return x


# ---------------------------------------------------------------- hidden modes


def machine(g: Draw, n: int, _dt: Floats) -> Floats:
    """A machine tool that idles, roughs or finishes for 40 to 200 rows: motor current and bearing vibration. Each mode
    has its level, its cycle and its damping. What the tool does is known to the operator, not to the monitor."""
    level, period, size = (2.0, 9.0, 6.0), (1.0, 11.0, 7.0), (0.0, 2.0, 0.7)
    mode = steps(g, n, 40, 200, lambda last: float(g.choice([m for m in range(3) if m != last])))
    x = np.empty((n, 2))
    phase, current, noise, vibration = 0.0, 2.0, 0.0, 0.0
    for t in range(n):
        m = int(mode[t])
        phase += 2 * np.pi / period[m]
        current += 0.35 * (level[m] - current)
        noise = 0.7 * noise + g.normal() * 0.15
        vibration = (0.9, 0.2, 0.6)[m] * vibration + g.normal() * (0.05, 0.3, 0.15)[m]
        x[t, 0] = current + size[m] * np.sin(phase) + noise
        x[t, 1] = 0.3 + 0.12 * current + 0.15 * size[m] * np.sin(phase - 1.0) + vibration
    return x


def compressor(g: Draw, n: int, _dt: Floats) -> Floats:
    """An air receiver: the compressor starts at 6.2 bar and stops at 7; demand wanders and steps. Pressure alone is
    measured, so the period of the saw depends on what is unseen."""
    demand = 0.045 + 0.012 * wander(g, n, 60) + steps(g, n, 80, 400, lambda _last: g.uniform(-0.02, 0.02))
    demand = np.clip(demand, 0.008, 0.085)
    x = np.empty((n, 1))
    pressure, on = 6.6, False
    for t in range(n):
        on = pressure < 6.2 or (on and pressure <= 7.0)
        pressure += (0.1 if on else 0.0) - demand[t] + 0.004 * g.normal()
        x[t, 0] = pressure + 0.01 * g.normal()
    return x


def server(g: Draw, n: int, _dt: Floats) -> Floats:
    """Latency and load of a service under a day of 480 rows. Its nodes are all there, throttled, or failed over to a
    half: from a load on, a queue builds up."""
    day = 1 + 0.4 * np.sin(2 * np.pi * np.arange(n) / 480)
    mode = steps(g, n, 60, 300, lambda _last: float(g.choice([0, 0, 1, 2])))
    load = 100 * day * np.exp(0.08 * wander(g, n, 8))
    x, queue = np.empty((n, 2)), 0.0
    for t in range(n):
        capacity = (170.0, 120.0, 95.0)[int(mode[t])]
        queue = max(0.0, 0.92 * queue + 0.25 * (load[t] - capacity))
        x[t] = 20 + 8 * load[t] / capacity + queue + 0.8 * g.normal(), load[t] + g.normal() * 2
    return x


def conveyor(g: Draw, n: int, _dt: Floats) -> Floats:
    """The speed of a belt: empty it rings with a period of 9 rows, loaded it is sluggish; the mean is the same."""
    loaded = steps(g, n, 60, 300, lambda last: 0.0 if last != last else 1.0 - last)
    damping = 0.95
    first, second = 2 * damping * np.cos(2 * np.pi / 9), -damping * damping
    x = np.zeros(n)
    for t in range(2, n):
        carried = 0.93 * x[t - 1] if loaded[t] else first * x[t - 1] + second * x[t - 2]
        x[t] = carried + 0.3 * g.normal()
    return np.asarray(50 + x + 0.05 * g.normal(size=n))[:, None]


def thermostat(g: Draw, n: int, _dt: Floats) -> Floats:
    """A room with an on/off thermostat of ± 0.4 degrees, a slow radiator, and outdoors a day of 288 rows. Whether the
    heating is on, and what the thermostat is set to, isn't measured."""
    outdoors = 3 + 5 * np.sin(2 * np.pi * np.arange(n) / 288) + 2.5 * wander(g, n, 400)
    x = np.empty((n, 2))
    target = steps(g, n, 300, 900, lambda _last: float(g.choice([19.0, 20.5, 21.5])))
    room, radiator, on = 20.0, 30.0, False
    for t in range(n):
        on = room < target[t] - 0.4 or (on and room <= target[t] + 0.4)
        radiator += 0.12 * ((65.0 if on else room) - radiator)
        room += 0.022 * (radiator - room) - 0.012 * (room - outdoors[t]) + 0.01 * g.normal()
        x[t] = room + 0.03 * g.normal(), outdoors[t] + 0.1 * g.normal()
    return x


def cooler(g: Draw, n: int, _dt: Floats) -> Floats:
    """A cold store: air temperature and power. The compressor keeps 2 to 4.5 degrees, every sixth to eighth run ends in
    a defrost, and doors are opened."""
    x = np.empty((n, 2))
    air, coil, on, runs, defrost, due, door = 3.0, 0.0, False, 0, 0, 7, 0
    for t in range(n):
        if door > 0:
            door -= 1
        elif g.random() < 0.01:
            door = int(g.integers(2, 8))
        if defrost > 0:
            defrost -= 1
            on = False
        elif air > 4.5:
            on = True
        elif air < 2.0 and on:
            on, runs = False, runs + 1
            if runs >= due:
                runs, defrost, due = 0, 14, int(g.integers(6, 9))
        coil += 0.25 * ((-14.0 if on else (12.0 if defrost else air)) - coil)
        air += 0.03 * (coil - air) + 0.010 * (20 - air) + (0.15 if door else 0) + 0.02 * g.normal()
        power = (2.2 if on else 0.15) + (3.0 if defrost else 0)
        x[t] = air + 0.05 * g.normal(), power + 0.05 * g.normal()
    return x


# ---------------------------------------------------------------- long or irregular memory


def backwash(g: Draw, n: int, _dt: Floats) -> Floats:
    """A filter: pressure drop and flow. The drop grows with the volume passed and ends in a wash; every fifth wash is a
    long one that also takes away what the others leave."""
    flow = np.clip(10 + 2 * wander(g, n, 50), 4, 16)
    x = np.empty((n, 2))
    cake, rest, wash, count = 0.0, 0.0, 0, 0
    for t in range(n):
        if wash > 0:
            wash -= 1
            passed = 1.0
            cake *= 0.6
        else:
            passed = flow[t]
            cake += 0.0025 * passed
            rest += 0.00006 * passed
            if cake + rest > 1.6:
                count += 1
                thorough = count % 5 == 0
                wash = 16 if thorough else 6
                rest *= 0.1 if thorough else 1.0
        x[t] = 0.2 + 0.08 * passed * (1 + cake + rest) + 0.02 * g.normal(), passed + 0.1 * g.normal()
    return x


def by_need(g: Draw, n: int) -> Floats:
    """Lengths of rows of a sensor that reports by need: mostly half to two, now and then three to ten."""
    return np.asarray(np.where(g.random(n) < 0.25, g.uniform(3, 10, n), g.uniform(0.5, 2, n)))


def dose(g: Draw, n: int, dt: Floats) -> Floats:
    """Rare doses, and a response that passes three stages and then decays over 60 minutes, read at irregular times: a
    dosing plant, an infusion, a pollutant in a river."""
    x = np.empty((n, 2))
    stage, base = np.zeros(4), 0.0
    for t in range(n):
        given = g.uniform(0.6, 1.6) if g.random() < 1 - np.exp(-dt[t] / 110) else 0.0
        stage[0] += given
        moved = 1 - np.exp(-dt[t] / np.array([9.0, 9.0, 9.0, 60.0]))
        for i in range(3, 0, -1):
            stage[i] += moved[i - 1] * stage[i - 1]
            stage[i - 1] -= moved[i - 1] * stage[i - 1]
        stage[3] -= moved[3] * stage[3]
        base += 0.01 * np.sqrt(dt[t]) * g.normal() - 0.002 * base * dt[t]
        x[t] = 5 + 4 * stage[3] + base + 0.04 * g.normal(), given
    return x


def sump(g: Draw, n: int, _dt: Floats) -> Floats:
    """A sump pump that runs for five rows whenever the water reaches the float switch; inflow wanders. Only the power
    is measured: the next run follows from how long ago the last ones were."""
    inflow = np.clip(1.0 + 0.25 * wander(g, n, 150), 0.4, 2)
    x = np.empty((n, 1))
    level, left = 0.0, 0
    for t in range(n):
        level += inflow[t]
        if level > 45.0 and left == 0:
            left = 5
        if left > 0:
            level -= 10.0
            left -= 1
        x[t, 0] = (1.5 + 0.1 * g.normal() if left > 0 else 0.05) + 0.02 * g.normal()
    return x


def batch(g: Draw, n: int, _dt: Floats) -> Floats:
    """A batch reactor: temperature and level through filling, heating, holding for 25 rows, cooling, emptying and
    waiting for the next order, which is for 70 or 90 degrees."""
    x = np.empty((n, 2))
    temperature, level, phase, left, goal = 25.0, 0.0, 0, 0, 80.0
    for t in range(n):
        if phase == 0:
            left -= 1
            if left <= 0:
                phase, goal = 1, float(g.choice([70.0, 90.0]))
        elif phase == 1:
            level += 4.0 + 0.2 * g.normal()
            phase = 2 if level >= 100 else 1
        elif phase == 2:
            temperature += 0.05 * (120 - temperature)
            if temperature >= goal:
                phase, left = 3, 25
        elif phase == 3:
            left -= 1
            temperature += 0.3 * (goal - temperature)
            phase = 4 if left <= 0 else 3
        elif phase == 4:
            temperature += 0.06 * (15 - temperature)
            phase = 5 if temperature < 40 else 4
        else:
            level -= 6.0
            if level <= 0:
                level, phase, left = 0.0, 0, int(g.integers(5, 40))
        temperature += 0.004 * (20 - temperature) + 0.05 * g.normal()
        x[t] = temperature + 0.2 * g.normal(), level + 0.5 * g.normal()
    return x


def heap(g: Draw, n: int, _dt: Floats) -> Floats:
    """The heap of a managed runtime under a day of 700 rows: it grows with the load and is collected at a limit; every
    eighth collection is a full one."""
    load = np.clip(1 + 0.5 * np.sin(2 * np.pi * np.arange(n) / 700) + 0.2 * wander(g, n, 40), 0.2, 3)
    x = np.empty((n, 1))
    young, old, count = 0.0, 200.0, 0
    for t in range(n):
        young += 18 * load[t] * g.gamma(20, 1 / 20)
        if young > 400:
            count += 1
            old += 0.08 * young
            young = 10.0
            if count % 8 == 0:
                old = 200.0 + 10 * g.normal()
        x[t, 0] = young + old + 2 * g.normal()
    return x


def at_random(g: Draw, n: int) -> Floats:
    """Lengths of rows that are as irregular as a busy radio channel makes them."""
    return np.asarray(g.gamma(1.2, 1.0, n) + 0.1)


def tank(g: Draw, n: int, dt: Floats) -> Floats:
    """A hot-water tank read at irregular times: drawn from now and then, heated from below 52 to above 60 degrees."""
    x = np.empty((n, 1))
    temperature, heating = 55.0, 0.0
    for t in range(n):
        left = dt[t]
        while left > 0:
            part = min(0.25, left)
            left -= part
            if g.random() < part / 60:
                temperature -= g.uniform(4, 12)
            heating = 1.0 if temperature < 52 else (0.0 if temperature > 60 else heating)
            temperature += part * (0.35 * heating - 0.004 * (temperature - 20))
        x[t, 0] = temperature + 0.08 * g.normal()
    return x


# ---------------------------------------------------------------- interacting channels


def mixing(g: Draw, n: int, _dt: Floats) -> Floats:
    """A mixing valve: the mixed temperature follows valve · hot + (1 - valve) · cold, the faster the more flows."""
    valve = steps(g, n, 30, 120, lambda _last: g.uniform(0.1, 0.9))
    flow = np.clip(1 + 0.5 * wander(g, n, 40), 0.2, 2.5)
    hot = 70 + 4 * wander(g, n, 300)
    x, mixed = np.empty((n, 4)), 40.0
    for t in range(n):
        goal = valve[t] * hot[t] + (1 - valve[t]) * 12
        mixed += (1 - np.exp(-0.12 * flow[t])) * (goal - mixed) + 0.05 * g.normal()
        x[t] = mixed + 0.1 * g.normal(), hot[t] + 0.1 * g.normal(), flow[t] + 0.02 * g.normal(), valve[t]
    return x


def ventilation(g: Draw, n: int, _dt: Floats) -> Floats:
    """CO₂ of a meeting room: unseen people bring it, the fan, which is set in steps, takes away a share of it."""
    people = steps(g, n, 30, 150, lambda _last: float(g.integers(0, 9)))
    fan = steps(g, n, 40, 160, lambda _last: float(g.choice([0.2, 0.5, 1.0])))
    x, carbon = np.empty((n, 2)), 600.0
    for t in range(n):
        carbon += 9 * people[t] - 0.09 * fan[t] * (carbon - 420) + 2 * g.normal()
        x[t] = carbon + 4 * g.normal(), fan[t]
    return x


def drive(g: Draw, n: int, _dt: Floats) -> Floats:
    """A drive: its current follows load · speed · ratio; the operator changes the unseen gear now and then."""
    speed = np.clip(1 + 0.4 * wander(g, n, 30), 0.1, 2.5)
    load = np.clip(1 + 0.4 * wander(g, n, 20), 0.1, 3)
    ratio = steps(g, n, 60, 250, lambda _last: float(g.choice([0.6, 1.0, 1.8])))
    x, current = np.empty((n, 3)), 1.0
    for t in range(n):
        current += 0.5 * (0.3 + ratio[t] * load[t] * speed[t] - current)
        x[t] = current + 0.02 * g.normal(), speed[t] + 0.02 * g.normal(), load[t] + 0.02 * g.normal()
    return x


def exchanger(g: Draw, n: int, _dt: Floats) -> Floats:
    """A heat exchanger: how much of the inlet's heat reaches the outlet, and how soon, depends on both flows."""
    hot = np.clip(1 + 0.35 * wander(g, n, 60), 0.3, 2)
    cold = steps(g, n, 40, 160, lambda _last: g.uniform(0.4, 1.8))
    inlet = 80 + 5 * wander(g, n, 200)
    x, outlet = np.empty((n, 4)), 40.0
    for t in range(n):
        share = (1 - np.exp(-1.2 * hot[t] ** 0.3 / cold[t] ** 0.5)) * min(1.0, hot[t] / cold[t])
        outlet += (0.08 + 0.1 * cold[t]) * (15 + share * (inlet[t] - 15) - outlet) + 0.05 * g.normal()
        x[t, :2] = outlet + 0.1 * g.normal(), inlet[t] + 0.1 * g.normal()
        x[t, 2:] = hot[t] + 0.02 * g.normal(), cold[t] + 0.01 * g.normal()
    return x


def battery(g: Draw, n: int, _dt: Floats) -> Floats:
    """A battery pack: voltage, temperature, current. Resistance depends on charge, temperature and direction; the
    charge, an integral of the current, is unseen."""
    setting = steps(g, n, 10, 60, lambda _last: float(g.choice([-30.0, -12.0, 0.0, 8.0, 20.0])))
    x = np.empty((n, 3))
    charge, temperature, slow = 0.6, 25.0, 0.0
    for t in range(n):
        current = setting[t] + 1.5 * g.normal()
        if charge > 0.95 and current > 0:
            current = 0.5
        if charge < 0.1 and current < 0:
            current = 6.0
        charge += current * 0.00012
        resistance = 0.004 + 0.006 * np.exp(-charge / 0.15) + (0.004 if current > 0 and charge > 0.8 else 0)
        slow += 0.08 * (current * 1.5 * resistance - slow)
        temperature += 0.004 * (22 - temperature) + 0.00002 * current * current
        rest = 48 + 5 * charge - 2 * np.exp(-charge / 0.05)
        voltage = rest + current * resistance * (1.6 - 0.02 * temperature) * 8 + slow * 8
        x[t] = voltage + 0.02 * g.normal(), temperature + 0.05 * g.normal(), current
    return x


def transport(g: Draw, n: int, _dt: Floats) -> Floats:
    """A pipe: what enters comes out when its volume has flowed, so the delay changes with the flow."""
    flow = steps(g, n, 80, 250, lambda _last: float(g.choice([0.5, 0.8, 1.3, 2.0])))
    source = 10 + 2 * wander(g, n, 25)
    volume = np.concatenate([[0.0], np.cumsum(flow)])
    x, outlet = np.empty((n, 3)), 10.0
    for t in range(n):
        at = volume[t + 1] - 12.0
        arrived = source[max(int(np.searchsorted(volume, at)) - 1, 0)] if at > 0 else 10.0
        outlet += min(0.9, 0.3 * flow[t]) * (arrived - outlet)
        x[t] = outlet + 0.05 * g.normal(), source[t] + 0.05 * g.normal(), flow[t] + 0.02 * g.normal()
    return x


# ---------------------------------------------------------------- the streams


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of device, of which every seed is one."""

    kind: str
    group: str
    channels: tuple[str, ...]
    outside: int
    """The last so many channels are driven from outside, and not judged."""
    seconds: float
    """Of a row of length 1."""
    make: Callable[[Draw, int, Floats], Floats]
    """(generator, rows, lengths of the rows) → values (rows, channels)."""
    lengths: Callable[[Draw, int], Floats] = regular

    @property
    def name(self) -> str:
        return self.make.__name__


MODES, MEMORY, CHANNELS = "hidden modes", "long memory", "interacting channels"
STREAMS = (
    Stream(MODES, CHOSEN_ON, ("current", "vibration"), 0, 1.0, machine),
    Stream(MODES, CHOSEN_ON, ("pressure",), 0, 1.0, compressor),
    Stream(MODES, CHOSEN_ON, ("latency", "load"), 0, 60.0, server),
    Stream(MODES, JUDGED_ON, ("speed",), 0, 1.0, conveyor),
    Stream(MODES, JUDGED_ON, ("room", "outdoors"), 0, 300.0, thermostat),
    Stream(MODES, JUDGED_ON, ("air", "power"), 0, 60.0, cooler),
    Stream(MEMORY, CHOSEN_ON, ("drop", "flow"), 0, 10.0, backwash),
    Stream(MEMORY, CHOSEN_ON, ("response", "dose"), 1, 60.0, dose, by_need),
    Stream(MEMORY, CHOSEN_ON, ("power",), 0, 10.0, sump),
    Stream(MEMORY, JUDGED_ON, ("temperature", "level"), 0, 60.0, batch),
    Stream(MEMORY, JUDGED_ON, ("heap",), 0, 1.0, heap),
    Stream(MEMORY, JUDGED_ON, ("temperature",), 0, 60.0, tank, at_random),
    Stream(CHANNELS, CHOSEN_ON, ("mixed", "hot", "flow", "valve"), 3, 5.0, mixing),
    Stream(CHANNELS, CHOSEN_ON, ("carbon", "fan"), 1, 60.0, ventilation),
    Stream(CHANNELS, CHOSEN_ON, ("current", "speed", "load"), 2, 1.0, drive),
    Stream(CHANNELS, JUDGED_ON, ("outlet", "inlet", "hot flow", "cold flow"), 3, 5.0, exchanger),
    Stream(CHANNELS, JUDGED_ON, ("voltage", "temperature", "current"), 1, 10.0, battery),
    Stream(CHANNELS, JUDGED_ON, ("outlet", "source", "flow"), 2, 5.0, transport),
)


def series(stream: Stream, seed: int, rows: int = ROWS) -> tuple[Ints, Floats]:
    """Times in nanoseconds (rows,) and values (rows, channels); the same for the same seed and number of rows."""
    g = np.random.default_rng([seed, STREAMS.index(stream)])
    lengths = stream.lengths(g, rows)
    values = stream.make(g, rows, lengths)
    return (np.cumsum(lengths) * stream.seconds * SECOND).astype(np.int64) + SECOND, np.ascontiguousarray(values)


# ---------------------------------------------------------------- measuring


@dataclass(frozen=True, slots=True)
class Errors:
    """Squared errors relative to persistence's, as means of logarithms over the judged channels; the time of a row."""

    one: float
    many: float
    microseconds: float


def measured(stream: Stream, seed: int, rows: int, choices: dict[str, Any]) -> Errors:
    """What one model makes of one series."""
    when, values = series(stream, seed, rows)
    model = Forecaster(stream.channels, horizon=HORIZON, seed=seed, **choices)
    model.run(when[:1], values[:1])  # compiles
    began = time.perf_counter()
    said = model.run(when[1:], values[1:]).forecast
    taken = (time.perf_counter() - began) / (rows - 1)
    issued = np.arange(int(UNJUDGED * rows), rows - HORIZON)
    ones, manys = [], []
    for c in range(len(stream.channels) - stream.outside):
        truth = values[issued[:, None] + np.arange(1, HORIZON + 1), c]
        error = ((said[issued - 1, :, c] - truth) ** 2).mean(0)
        change = ((values[issued, c][:, None] - truth) ** 2).mean(0)
        ones.append(np.log(error[0] / change[0]))
        manys.append(np.log(error.mean() / change.mean()))
    return Errors(float(np.mean(ones)), float(np.mean(manys)), 1e6 * taken)


def percent(logarithm: float) -> float:
    """By how much a ratio differs from one."""
    return 100.0 * float(np.expm1(logarithm))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recurrence", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a series (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="series of each stream (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="streams with this in name, kind or group")
    parser.add_argument("--recipe", default="{}", metavar="JSON", help='further choices for every model: {"units": 12}')
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    common: dict[str, Any] = json.loads(arguments.recipe)
    ways = {"no net": common | {"units": 0}, **{name: common | {"learner": name} for name in LEARNERS}}
    head = f"{'squared error':34}{'no net : persist.':>20}"
    print(head + "".join(f"{name:>16}" for name in LEARNERS) + f"{'µs a row':>16}")
    print(f"{'':34}" + f"{'1':>11}{'1…24':>9}" + f"{'1':>9}{'1…24':>7}" * len(LEARNERS))
    found: list[dict[str, Any]] = []
    for stream in STREAMS:
        if arguments.only not in f"{stream.name} {stream.kind} {stream.group}":
            continue
        errors = {
            name: [measured(stream, FIRST_SEED + i, arguments.rows, way) for i in range(arguments.seeds)]
            for name, way in ways.items()
        }
        mean = {name: np.mean([[e.one, e.many] for e in each], 0) for name, each in errors.items()}
        line: dict[str, Any] = {"stream": stream.name, "kind": stream.kind, "group": stream.group}
        line["logarithms"] = {name: [[e.one, e.many] for e in each] for name, each in errors.items()}
        line["microseconds"] = {name: float(np.median([e.microseconds for e in each])) for name, each in errors.items()}
        line["gain"] = {name: (mean[name] - mean["no net"]).tolist() for name in LEARNERS}
        found.append(line)
        first, many = np.exp(mean["no net"])
        gains = "".join(f"{percent(one):+8.1f}%{percent(more):+6.1f}%" for one, more in line["gain"].values())
        cost = f"{line['microseconds']['no net']:8.1f} {line['microseconds'][LEARNERS[-1]]:7.1f}"
        print(f"{stream.name:14}{stream.group:20}{first:11.3f}{many:9.3f}{gains}{cost}", flush=True)
    means = []
    for kind in (MODES, MEMORY, CHANNELS):
        for group in (CHOSEN_ON, JUDGED_ON):
            members = [line["gain"] for line in found if line["kind"] == kind and line["group"] == group]
            if members:
                gain = {name: np.mean([m[name] for m in members], 0).tolist() for name in LEARNERS}
                means.append({"kind": kind, "group": group, "gain": gain})
                text = "".join(f"{percent(one):+8.1f}%{percent(more):+6.1f}%" for one, more in gain.values())
                print(f"{kind:24}{group:30}{text}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"streams": found, "means": means}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
