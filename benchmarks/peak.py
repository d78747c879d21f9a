"""python -m benchmarks.peak: what a step of exact RTRL takes, as a share of what the core can do at all.

A step is forward, propagation of the influence, gradient of half the squared error of a linear readout, and SGD update
of all weights, in one compiled loop with the library's own kernels. Only the multiply-adds of the dense blocks of J
with P count, 2 n² operations for each parameter (LSTM 4 n²). The core's peak is measured in the same run: vectors of
multiply-adds that do not wait for each other. Peak and steps take turns; medians of thread time, each of a few ms.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from streamrnn._bind import bind, intrinsic, kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE
from streamrnn.kernels.simd import lanes_of
from streamrnn.model import Model, Network

M, SAMPLE = 4, 4e-3  # inputs; seconds of a measurement
CHAINS, LANES = 14, 64  # multiply-adds under way at once, each of a register of at most so many numbers
CASES = [("elman", n) for n in (8, 16, 32, 64)] + [("gru", 32), ("lstm", 32)]
TARGETS = {("elman", 8): 30, ("elman", 16): 65, ("elman", 32): 85, ("elman", 64): 85, ("gru", 32): 80, ("lstm", 32): 80}


@kernel
def plain_chains(times: int, a: Array, lanes: Array) -> None:
    lanes[0] = a.shape[0]
    for _ in range(times):
        for i in range(a.shape[0]):
            a[i] = a[i] * a[i] + a[i]


def definition(typing: Any, times: Any, a: Any, lanes: Any) -> Any:
    """CHAINS vectors y ← x y + x, `times` times each, and their sum into a; lanes[0] ← numbers of a vector."""
    real = a.dtype
    kinds = types.void(types.intp, a, lanes)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        many, _sums = lanes_of(context, real, LANES)
        vector = ir.VectorType(context.get_data_type(real), many)
        kind = ir.FunctionType(vector, (vector, vector, vector))
        fmuladd = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{many}f{real.bitwidth}")
        at = builder.bitcast(context.make_array(signature.args[1])(context, builder, args[1]).data, vector.as_pointer())
        x = builder.load(at, align=4)
        sums = [cgutils.alloca_once_value(builder, x) for _ in range(CHAINS)]
        with cgutils.for_range(builder, args[0]):
            for y in sums:
                builder.store(builder.call(fmuladd, [x, builder.load(y), x]), y)
        total = builder.load(sums[0])
        for y in sums[1:]:
            total = builder.fadd(total, builder.load(y))
        builder.store(total, at, align=4)
        of_lanes = context.make_array(signature.args[2])(context, builder, args[2]).data
        builder.store(ir.Constant(ir.IntType(64), many), of_lanes)
        return context.get_dummy_value()

    return kinds, codegen


chains = intrinsic(definition, plain_chains)


@kernel
def run_chains(times: int, a: Array, lanes: Array) -> None:
    chains(times, a, lanes)


def forward(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """Stand-in for the net's step."""
    raise TypeError("unbound")


def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    """Stand-in for the learner's `credit`."""
    raise TypeError("unbound")


def apply(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    """Stand-in for the update's `apply`."""
    raise TypeError("unbound")


def loop(
    steps: int, rate: float, xs: Array, ys: Array, w: Array, theta: Array, s: Array, s1: Array, e: Array,
    structure: Array, carry: tuple[Array, ...], memory: tuple[Array, ...], probe: tuple[Array, ...], grad: Array,
) -> None:  # fmt: skip
    for t in range(steps):
        row = t % xs.shape[0]
        forward(theta, xs[row], 1.0, s, s1, structure, carry, probe)
        error = -ys[row]
        for i in range(e.shape[0]):
            error += w[i] * s[0, i]
        for i in range(e.shape[0]):
            e[i] = error * w[i]
            w[i] -= rate * error * s[0, i]
        credit(structure, e, carry, grad)
        apply(rate, grad, memory, theta)


class Timed:
    """Something that is done many times over, and the seconds that one took in each measurement."""

    def __init__(self, do: Callable[[int], None]) -> None:
        self.do, self.times = do, 1
        do(1)  # compiles
        self.seconds: list[float] = []
        while self.measure() < SAMPLE:
            self.times *= 2
        self.seconds.clear()

    def measure(self) -> float:
        began = time.thread_time()
        self.do(self.times)
        taken = time.thread_time() - began
        self.seconds.append(taken / self.times)
        return taken

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def stepping(name: str, n: int, dtype: str) -> tuple[Timed, float]:
    """A net that learns, and the operations that count in a step."""
    net = Network(Model.named(name, "rtrl", "sgd", n=n, m=M), dtype=dtype)
    generator = np.random.default_rng(0)
    xs, ys = generator.normal(size=(64, M)).astype(dtype), generator.normal(size=64).astype(dtype)
    w = (0.3 * generator.normal(size=n)).astype(dtype)
    a, model = net.arena, net.model
    compiled = bind(
        loop, f"peak_{name}", forward=model.forward, credit=model.parts["credit"], apply=model.parts["apply"]
    )
    views = (a["net.s"], a["net.s1"], a["net.e"], a["net.structure"], net.carry, net.memory, net.probe, a["net.grad"])

    def do(steps: int) -> None:
        compiled(steps, np.dtype(dtype).type(1e-4), xs, ys, w, net.theta, *views)

    timed = Timed(do)
    dense = sum(block == DENSE for row in model.cell.structure(M) for block in row)
    return timed, 2.0 * dense * n * n * n * model.q


def peak(dtype: str) -> tuple[Timed, float]:
    """The core's peak, and the operations of one round of it."""
    a, lanes = np.zeros(LANES, dtype), np.zeros(1, np.int64)

    def do(times: int) -> None:
        a[:] = 0.5
        run_chains(times, a, lanes)

    return Timed(do), 2.0 * CHAINS * float(lanes[0])


def measured(cases: list[tuple[str, int]], rounds: int) -> Iterator[tuple[str, int, str, float, float, float]]:
    """Cell, n, type, seconds of a step, and the rates of the step and of the core in operations a second."""
    for dtype in ("float32", "float64"):
        for name, n in cases:
            (step, work), (core, unit) = stepping(name, n, dtype), peak(dtype)
            for _ in range(rounds):
                step.measure()
                core.measure()
            yield name, n, dtype, step.median, work / step.median, unit / core.median


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=101, help="measurements of each, in turns (default 101)")
    rounds = parser.parse_args().rounds
    print(f"{'cell':8}{'n':>4}  {'type':9}{'µs a step':>10}{'GF/s':>8}{'peak':>8}{'share':>8}{'target':>8}")
    for name, n, dtype, seconds, rate, core in measured(CASES, rounds):
        share, target = 100 * rate / core, TARGETS[name, n]
        rates = f"{1e6 * seconds:10.2f}{rate / 1e9:8.1f}{core / 1e9:8.1f}"
        print(f"{name:8}{n:4d}  {dtype:9}{rates}{share:7.0f} %{target:6d} %", flush=True)


if __name__ == "__main__":
    main()
