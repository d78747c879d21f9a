"""The content-addressed cache: a second process hits it, and an edited helper is never run from it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from streamrnn import _bind

HELPER = "from streamrnn._bind import kernel\n\n\n@kernel\ndef factor(a):\n    return {factor} * a\n"
CALLER = """
from helper import factor
from streamrnn._bind import bind, compiled_so_far, kernel


@kernel
def twice(a):
    return factor(a) + factor(a)


def stand_in(a):
    raise TypeError("unbound")


def template(a):
    return stand_in(a) + 1.0


bound = bind(template, "twice", stand_in=twice)
print(bound(3.0), compiled_so_far()[0])
"""


@pytest.fixture
def run(tmp_path):
    """Write helper.py with a factor, run the caller in a new process, return (result, functions compiled)."""

    def go(factor: str, stamp: float | None = None) -> tuple[float, int]:
        (tmp_path / "helper.py").write_text(HELPER.format(factor=factor))
        (tmp_path / "caller.py").write_text(textwrap.dedent(CALLER))
        if stamp is not None:
            os.utime(tmp_path / "helper.py", (stamp, stamp))
            os.utime(tmp_path / "caller.py", (stamp, stamp))
        environment = os.environ | {"STREAMRNN_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        out = subprocess.run(
            [sys.executable, "caller.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        value, compiled = out.stdout.split()
        return float(value), int(compiled)

    return go


def test_second_process_hits_and_an_edited_helper_misses(run):
    assert run("2.0") == (13.0, 3)
    assert run("2.0") == (13.0, 0)
    assert run("5.0")[0] == 31.0, "stale code ran after an edit of a helper two calls down"
    assert run("2.0") == (13.0, 0), "going back to the old content finds the old code"


INTRINSIC = """
from numba.core import types
from streamrnn._bind import bind, compiled_so_far, intrinsic, kernel


def write(builder, a):
    return builder.{operation}(a, a)


@kernel
def plain(a):
    return a + a


def made(times):
    def definition(typing, a):
        def codegen(context, builder, signature, args):
            out = args[0]
            for _ in range(times):
                out = write(builder, out)
            return out

        return types.float64(types.float64), codegen

    return intrinsic(definition, plain)


def step(a):
    raise TypeError("unbound")


def caller(a):
    return step(a)


print(bind(caller, "x", step=made({times}))(3.0), compiled_so_far()[0])
"""


def test_an_edited_intrinsic_is_never_run_from_the_cache(tmp_path):
    """Neither where a number that it encloses changed, nor a function that it calls."""
    environment = os.environ | {"STREAMRNN_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    cases = [
        ("fadd", 1, "6.0 1"),
        ("fadd", 1, "6.0 0"),
        ("fadd", 2, "12.0 1"),
        ("fmul", 2, "81.0 1"),
        ("fadd", 1, "6.0 0"),
    ]
    for operation, times, expected in cases:
        (tmp_path / "caller.py").write_text(INTRINSIC.format(operation=operation, times=times))
        out = subprocess.run(
            [sys.executable, "caller.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert out.stdout.split() == expected.split(), (operation, times)


def test_content_decides_not_file_times(run):
    run("2.0", stamp=1_000_000_000)
    assert run("2.0", stamp=1_500_000_000) == (13.0, 0)


def test_unwritable_cache_compiles_anew(run, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert run("2.0") == (13.0, 3)


def test_misspelt_stand_in_is_refused():
    def template(a):
        return abs(a)

    with pytest.raises(TypeError, match=r"uses no \['advnace'\]"):
        _bind.bind(template, "x", advnace=abs)


def test_kernel_refuses_a_global_whose_content_it_cannot_see():
    def uses_a_list(a):
        return SOME_LIST[0] * a

    with pytest.raises(TypeError, match="SOME_LIST"):
        _bind.kernel(uses_a_list)


SOME_LIST = [1.0]


def test_kernel_refuses_a_callee_that_is_not_defined_yet(tmp_path):
    (tmp_path / "early.py").write_text(
        "from streamrnn._bind import kernel\n@kernel\ndef f(a):\n    return g(a)\n@kernel\ndef g(a):\n    return a\n"
    )
    done = subprocess.run([sys.executable, "early.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "early.f uses 'g', which is not defined yet" in done.stderr.replace("__main__", "early")


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    for name in ("STREAMRNN_CACHE_DIR", "CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _bind.cache_directory() == tmp_path / ".cache" / "streamrnn"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(_bind.cache_directory()) == "/x/streamrnn"
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/streamrnn")
    assert str(_bind.cache_directory()) == "/var/cache/streamrnn"
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", "/mine")
    assert str(_bind.cache_directory()) == "/mine"


def test_import_needs_no_numba_and_is_quick():
    """`import streamrnn`: no Numba, no NumPy, and under 0.1 s (the best of five, interpreter start taken off)."""
    code = (
        "import time; t = time.perf_counter(); import streamrnn, sys; d = time.perf_counter() - t;"
        "print(d, 'numba' in sys.modules, 'numpy' in sys.modules)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    seconds = min(float(r.stdout.split()[0]) for r in runs)
    assert runs[0].stdout.split()[1:] == ["False", "False"]
    assert seconds < 0.1


def test_kernels_run_as_plain_python():
    """NUMBA_DISABLE_JIT=1: the whole way of a sample agrees with the compiled one."""
    code = textwrap.dedent("""
        import numpy as np
        from streamrnn import Detector
        rng = np.random.default_rng(0)
        x = np.sin(np.arange(150.0) / 4)[:, None] * [1.0, 3.0] + 0.1 * rng.normal(size=(150, 2))
        x[40:44, 1] = np.nan
        t = (1 + np.arange(150)) * 10**9
        rows = Detector(channels=2, horizon=2, seed=4).run(t, x)
        print(repr(float(np.nansum(rows.forecast[-1]))), repr(float(rows.score.sum())))
    """)
    results = []
    for flag in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_DISABLE_JIT": flag},
            capture_output=True,
            text=True,
            check=True,
        )
        results.append([float(v) for v in out.stdout.split()])
    assert results[0] == pytest.approx(results[1], rel=1e-9)
