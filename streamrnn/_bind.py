"""The only place that compiles: `kernel` for plain kernels, `bind` to specialise a template to the kernels it calls,
`intrinsic` for what is written in LLVM's terms.

Every compiled function is addressed by its *content*: the digest of its own bytecode and constants, of every kernel
that it calls, and so on down. The digest is part of the function's name and of its file in the cache, so that

- a second process, another checkout or a reinstalled wheel finds what the first one compiled;
- editing a helper makes all of its callers new functions (Numba's own cache looks at the caller's file alone and would
  run the old code);
- processes that compile at the same time never see half of each other's work (one file per function and signature).

The cache lies in $STREAMRNN_CACHE_DIR, else $CACHE_DIRECTORY (systemd), else $XDG_CACHE_HOME/streamrnn, else
~/.cache/streamrnn; where none of these can be written, kernels are compiled anew in each process.

With NUMBA_DISABLE_JIT=1 the same kernels and templates run as plain Python.
"""

from __future__ import annotations

import builtins
import dis
import hashlib
import logging
import os
import pathlib
import sys
import tempfile
import time
import types
from collections.abc import Callable
from typing import Any, TypeVar, overload

import llvmlite
import numba
from numba.core import caching, event
from numba.extending import intrinsic as numba_intrinsic

logger = logging.getLogger("streamrnn.compile")
F = TypeVar("F", bound=Callable[..., Any])


def cache_directory() -> pathlib.Path:
    """Where compiled kernels are kept; not created here."""
    for variable, child in (("STREAMRNN_CACHE_DIR", ""), ("CACHE_DIRECTORY", ""), ("XDG_CACHE_HOME", "streamrnn")):
        folder = os.environ.get(variable)
        if folder:
            return pathlib.Path(folder) / child
    return pathlib.Path.home() / ".cache" / "streamrnn"


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(*, reassociate: bool) -> Callable[[F], F]: ...
def kernel(function: F | None = None, *, reassociate: bool = False) -> F | Callable[[F], F]:
    """Compile a module-level function over arrays and scalars, on first call for each set of argument types.

    A kernel may call other kernels defined above it, `math`, and NumPy functions that Numba knows; it returns nothing
    or a scalar. `reassociate=True` lets the compiler reorder sums, which vectorises reductions and changes their last
    bits; the order is fixed once compiled, so that repeated runs still agree to the bit.
    """
    if function is None:
        return lambda f: _compile(f, reassociate)
    return _compile(function, reassociate)


def bind(template: Callable[..., Any], owner: str, **kernels: Any) -> Callable[..., Any]:
    """A copy of `template` in which the stand-ins named in `kernels` are those kernels or numbers, compiled.

    template    a plain function that calls stand-ins by global name
    owner       what the copy is for, e.g. "elman"; part of its name
    kernels     stand-in name → kernel, or a number where the template has a constant

    Raises TypeError where the template never calls one of the names: a misspelt stand-in would be left unbound.
    """
    called = _globals_of(template.__code__)
    missing = sorted(set(kernels) - called)
    if missing:
        raise TypeError(f"{template.__qualname__} uses no {missing}; it uses {sorted(called)}")
    function = types.FunctionType(template.__code__, {**template.__globals__, **kernels}, template.__name__)
    function.__module__, function.__doc__ = template.__module__, template.__doc__
    function.__qualname__ = f"{template.__qualname__}__{owner}"
    return _compile(function, False)


def intrinsic(definition: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Instructions that kernels call like a kernel.

    definition  of a Numba intrinsic: (typing context, types of the arguments) → signature and code generator. It may
                use functions defined above it, numbers, enclosed ones too, and what Numba and llvmlite have
    plain       a kernel of the same signature and meaning, which stands in where nothing is compiled

    The content of both is part of every caller's digest.
    """
    if numba.config.DISABLE_JIT:
        return plain
    assert isinstance(definition, types.FunctionType)
    h = hashlib.sha256(repr((_content_of_writer(definition), digest(plain), llvmlite.__version__)).encode())
    made: Callable[..., Any] = numba_intrinsic(definition)
    made.__dict__["__digest__"] = h.hexdigest()[:16]
    return made


def python_function(compiled: Callable[..., Any]) -> types.FunctionType:
    """The plain Python function of a kernel, with its own globals: what oracles differentiate."""
    function = getattr(compiled, "py_func", compiled)
    assert isinstance(function, types.FunctionType)
    return function


def digest(compiled: Callable[..., Any]) -> str:
    """The content digest of a kernel, 16 hexadecimal digits."""
    return str(python_function(compiled).__dict__["__digest__"])


def compiled_so_far() -> tuple[int, float]:
    """How many functions this process has compiled rather than loaded, and the seconds it took."""
    return _progress.functions, _progress.seconds


# ---------------------------------------------------------------- content


def _compile(function: Any, reassociate: bool) -> Any:
    content = _digest(function, reassociate)
    function.__digest__ = content
    function.__qualname__ = f"{function.__qualname__}__{content}"
    if numba.config.DISABLE_JIT:
        return function
    flags = {"reassoc", "contract"} if reassociate else False
    dispatcher = numba.njit(error_model="numpy", nogil=True, fastmath=flags)(function)
    folder = _usable_cache()
    if folder is not None and function.__module__ in sys.modules:  # else nothing could be loaded by its name
        dispatcher._cache = _ContentCache(function, folder, content)
    return dispatcher


def _digest(function: Any, reassociate: bool) -> str:
    h = hashlib.sha256(repr((reassociate, _content_of(function.__code__))).encode())
    for name in sorted(_globals_of(function.__code__)):
        if name not in function.__globals__:
            if hasattr(builtins, name):
                continue
            raise TypeError(
                f"{function.__module__}.{function.__qualname__} uses {name!r}, which is not defined yet: put it above, "
                f"or its content would not be part of the digest, and stale code could run"
            )
        h.update(f"{name}={_identity(function.__globals__[name], name, function)}".encode())
    return h.hexdigest()[:16]


def _content_of(code: types.CodeType) -> tuple[Any, ...]:
    constants = tuple(_content_of(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames


def _globals_of(code: types.CodeType) -> set[str]:
    found = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _globals_of(constant)
    return found


def _content_of_writer(function: types.FunctionType) -> tuple[Any, ...]:
    """What decides the instructions that a function writes: its code, what it encloses, and functions that it calls."""
    found: list[Any] = [_content_of(function.__code__)]
    enclosed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    used = [(name, cell.cell_contents) for name, cell in enclosed]
    used += [(name, function.__globals__[name]) for name in sorted(_globals_of(function.__code__))
             if name in function.__globals__]  # fmt: skip
    for name, value in used:
        if isinstance(value, types.FunctionType) and not value.__module__.startswith("numba"):
            found.append((name, _content_of_writer(value)))
        elif isinstance(value, types.ModuleType) and value.__name__.split(".")[0] in ("numba", "llvmlite"):
            found.append((name, value.__name__))
        elif isinstance(value, type) or value is Any:
            found.append((name, repr(value)))
        else:
            found.append((name, _identity(value, name, function)))
    return tuple(found)


def _identity(value: Any, name: str, caller: Any) -> str:
    """What of a global decides the code of its user. Anything whose content cannot be seen here is refused."""
    function = getattr(value, "py_func", value)
    if "__digest__" in getattr(function, "__dict__", {}):  # a kernel, or an intrinsic
        return str(function.__dict__["__digest__"])
    if isinstance(value, (int, float, bool, str)):
        return repr(value)
    if isinstance(value, types.ModuleType) and value.__name__ in ("math", "numpy"):
        return value.__name__
    if getattr(value, "__module__", "").startswith("numba"):
        return f"{value.__module__}.{name}"
    raise TypeError(
        f"{caller.__module__}.{caller.__qualname__} uses the global {name!r}, which is neither a kernel, a number, a "
        f"string, math nor numpy: its content would not be part of the digest, and stale code could run"
    )


# ---------------------------------------------------------------- cache on disk


class _Locator:
    """Where numba's serialiser is told to look; it uses nothing else of a locator."""

    def __init__(self, function: Any, folder: pathlib.Path) -> None:
        self._py_file, self._folder = function.__code__.co_filename, folder

    def get_cache_path(self) -> str:
        return str(self._folder)

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class _Implementation(caching.CompileResultCacheImpl):
    def __init__(self, function: Any, folder: pathlib.Path) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, folder)
        self._filename_base = function.__qualname__.replace("<", "").replace(">", "")


class _ContentCache(caching.FunctionCache):
    """One file pair per content and signature; the address alone decides, times and paths of sources do not."""

    def __init__(self, function: Any, folder: pathlib.Path, content: str) -> None:
        self._name, self._py_func, self._content = repr(function), function, content
        self._cache_path = str(folder)
        self._impl = _Implementation(function, folder)
        self.enable()

    def flush(self) -> None:
        """Nothing is kept in memory."""

    def _file(self, sig: Any, codegen: Any) -> Any:
        python = f"py{sys.version_info[0]}{sys.version_info[1]}"
        # numba's file names the module that it was compiled in, and cannot be loaded where that one is not to be had
        what = (sig, codegen.magic_tuple(), python, self._py_func.__module__)
        address = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
        return caching.IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{address}",
            source_stamp=self._content,
        )

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        if not self._enabled:
            return None
        codegen = target_context.codegen()
        self._cache_file = self._file(sig, codegen)
        return super()._load_overload(sig, target_context)

    def _save_overload(self, sig: Any, data: Any) -> None:
        self._cache_file = self._file(sig, data.codegen)
        super()._save_overload(sig, data)


_folder_checked: dict[pathlib.Path, bool] = {}


def _usable_cache() -> pathlib.Path | None:
    folder = cache_directory()
    if folder not in _folder_checked:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                _folder_checked[folder] = True
        except OSError as problem:
            _folder_checked[folder] = False
            logger.warning("compiled kernels are not kept: %s. Set STREAMRNN_CACHE_DIR to a folder of yours", problem)
    return folder if _folder_checked[folder] else None


# ---------------------------------------------------------------- progress


class _Progress(event.Listener):
    """Says what is being compiled, and how long it took: seconds of silence look like a hang."""

    def __init__(self) -> None:
        self.functions, self.seconds, self._depth, self._began = 0, 0.0, 0, 0.0

    def on_start(self, started: Any) -> None:
        if self._depth == 0:
            self._began = time.monotonic()
            name = started.data["dispatcher"].__qualname__
            if name.startswith("watch__"):
                _say(f"compiling {name.split('__')[1]} ({_kept()}) ...")
        self._depth += 1

    def on_end(self, ended: Any) -> None:
        self._depth -= 1
        self.functions += 1
        if self._depth == 0:
            seconds = time.monotonic() - self._began
            self.seconds += seconds
            name = ended.data["dispatcher"].__qualname__
            if name.startswith("watch__"):
                _say(f"compiled {name.split('__')[1]} in {seconds:.1f} s")


def _kept() -> str:
    folder = _usable_cache()
    return "in each process: there is no folder to keep it" if folder is None else f"once; kept in {folder}"


def _say(text: str) -> None:
    if logging.getLogger().handlers or logging.getLogger("streamrnn").handlers:
        logger.info(text)
    elif sys.stderr.isatty():
        print(f"streamrnn: {text}", file=sys.stderr, flush=True)


_progress = _Progress()
event.register("numba:compile", _progress)
