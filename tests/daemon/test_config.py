import json
import re
from pathlib import Path

import msgspec
import pytest

from streamrnn.daemon.config import Tables, load, parse
from streamrnn.daemon.demo import demo_config
from streamrnn.engine.fleet import Known
from streamrnn.engine.maintenance import Maintenance
from streamrnn.errors import ConfigError

ROOT = Path(__file__).parents[2]
SOURCE = '[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n'


def read(tmp_path, text):
    path = tmp_path / "test.toml"
    path.write_text(text)
    return load(path)


def test_one_source_is_all_it_takes(tmp_path):
    config = read(tmp_path, SOURCE)
    assert (config.http.host, config.http.port) == ("127.0.0.1", 9757)
    assert [source.name for source in config.sources] == ["zeromq"]
    assert config.sinks == ()


def test_connectors_get_their_own_options_and_names(tmp_path):
    config = read(
        tmp_path, SOURCE + SOURCE + '[[sinks]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\nsend = ["alarm"]\n'
    )
    assert [source.name for source in config.sources] == ["zeromq", "zeromq-2"]
    assert config.sinks[0].options.send == ("alarm",)


BAD = {
    "is not TOML": ("[model", "Expected"),
    "model.unitz: unknown key": (SOURCE + "[model]\nunitz = 3", "Did you mean 'units'?"),
    "modle: unknown key": (SOURCE + "[modle]\nunits = 3", "Did you mean 'model'?"),
    "model.units: wrong value": (SOURCE + '[model]\nunits = "many"', 'got "many", expected int'),
    "model.level: wrong value": (
        SOURCE + "[model]\nlevel = 1.5",
        "got 1.5, expected float, more than 0 and less than 1",
    ),
    "model.dtype: wrong value": (SOURCE + '[model]\ndtype = "f2"', 'got "f2", expected one of "float64", "float32"'),
    "model.cell: no cell of this name": (SOURCE + '[model]\ncell = "elmann"', "Did you mean 'elman'?"),
    "streams.known[1]: Object missing required field 'channels'": (
        SOURCE + '[[streams.known]]\nname = "a"\nchannels = ["x"]\n[[streams.known]]\nname = "b"',
        "",
    ),
    "streams.known[0].chanels: unknown key": (
        SOURCE + '[[streams.known]]\nname = "a"\nchanels = ["x"]',
        "Did you mean 'channels'?",
    ),
    "streams.admit[1]: wrong value": (SOURCE + '[streams]\nadmit = ["a", 3]', "got 3, expected str"),
    "streams: two known streams have one name": (
        SOURCE + "[streams]\nknown = [" + 2 * '{name = "a", channels = ["x"]},' + "]",
        "expected distinct names",
    ),
    "streams.known[0]: two channels of 'a' have one name": (
        SOURCE + '[[streams.known]]\nname = "a"\nchannels = ["x", "x"]',
        "expected distinct names",
    ),
    "streams: 2 streams are known": (
        SOURCE + '[streams]\nlimit = 1\nknown = [{name = "a", channels = ["x"]}, {name = "b", channels = ["x"]}]',
        "expected at most limit = 1",
    ),
    "log.level: wrong value": (SOURCE + '[log]\nlevel = "loud"', 'expected one of "debug", "info", "warning", "error"'),
    "http.host: this address is open to other machines": (SOURCE + '[http]\nhost = "0.0.0.0"', "http.insecure = true"),
    "sources: has no source of samples": ("", "expected at least one [[sources]] table"),
    "sources[0].connector: the connector's name": ("[[sources]]\n", "got nothing, expected a text"),
    "sources[1].connector: no source of this name is installed": (
        SOURCE + '[[sources]]\nconnector = "zeromk"',
        "expected files, host, zeromq",
    ),
    "sources[0].bnd: unknown key": ('[[sources]]\nconnector = "zeromq"\nbnd = "x"', "Did you mean 'bind'?"),
    "sources[0].socket: wrong value": (SOURCE + 'socket = "pulll"', 'got "pulll", expected one of "pull", "sub"'),
    "sources[0]: got neither of bind and connect": ('[[sources]]\nconnector = "zeromq"', "expected exactly one"),
    "http.control: wrong value": (SOURCE + '[http]\ncontrol = "yes"', 'got "yes", expected bool'),
    "maintenance[0].strams: unknown key": (SOURCE + '[[maintenance]]\nstrams = ["a"]', "Did you mean 'streams'?"),
    "maintenance[0].mute: wrong value": (
        SOURCE + '[[maintenance]]\nmute = "all"\nat = "02:00"\nlasts = 60',
        'got "all", expected one of "alarms", "learning", "both"',
    ),
    "maintenance[1]: got neither or both of from and at": (
        SOURCE + '[[maintenance]]\nat = "02:00"\nlasts = 60\n[[maintenance]]\nstreams = ["a"]',
        "expected from and until, or at and lasts",
    ),
    "maintenance[0]: from is no date and time": (
        SOURCE + "[[maintenance]]\nfrom = 3\nuntil = 2026-11-28T22:00:00Z",
        "got 3, expected one as 2026-11-28T22:00:00Z",
    ),
    "maintenance[0]: no time zone is called 'Mars/Olympus'": (
        SOURCE + '[[maintenance]]\nat = "02:00"\nlasts = 60\ntime_zone = "Mars/Olympus"',
        "expected a name as Europe/Zurich",
    ),
    "sources[0].streams[0].nme: unknown key": (SOURCE + 'streams = [{nme = "a"}]', "Did you mean 'name'?"),
    "sinks[0].send[0]: wrong value": (
        SOURCE + '[[sinks]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\nsend = ["alarms"]',
        'got "alarms", expected one of "forecast", "score", "alarm"',
    ),
}


@pytest.mark.parametrize(("where", "text", "more"), [(where, *case) for where, case in BAD.items()], ids=list(BAD))
def test_a_bad_file_is_told_by_key(tmp_path, where, text, more):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'test.toml'}: {where}")
    assert more in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read \(got No such file or directory\)"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "test.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(tmp_path / "test.toml")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_word_more(tmp_path, host):
    assert read(tmp_path, SOURCE + f'[http]\nhost = "{host}"').http.host == host


def test_other_addresses_do(tmp_path):
    assert read(tmp_path, SOURCE + '[http]\nhost = "0.0.0.0"\ninsecure = true').http.host == "0.0.0.0"


@pytest.mark.parametrize(("http", "control"), [
    ("", True),
    ("control = false", False),
    ('host = "0.0.0.0"\ninsecure = true', False),
    ('host = "0.0.0.0"\ninsecure = true\ncontrol = true', True),
])  # fmt: skip
def test_orders_are_taken_on_loopback_or_where_it_is_said(tmp_path, http, control):
    assert read(tmp_path, SOURCE + f"[http]\n{http}").http.control is control


def test_maintenance_is_taken_as_toml_has_it(tmp_path):
    text = """
    [[maintenance]]
    streams = ["pump-*"]
    from = 2026-11-28T22:00:00+01:00
    until = "2026-11-29T06:00:00Z"

    [[maintenance]]
    mute = "alarms"
    days = ["sat", "sun"]
    at = "02:00"
    lasts = 7200
    time_zone = "Europe/Zurich"
    """
    once, weekly = read(tmp_path, SOURCE + text).maintenance
    assert once.near(0) == [(1_795_899_600 * 10**9, 1_795_932_000 * 10**9)]
    assert (once.mute, once.streams) == ("both", ("pump-*",))
    assert (weekly.days, weekly.lasts, weekly.streams) == (("sat", "sun"), 7200.0, ("*",))


def test_sample_is_good():
    load(ROOT / "deploy" / "sample.toml")


def test_demo_watches_the_host_on_loopback():
    config = demo_config()
    assert config.metrics.streams == ("host.*",)
    assert config.http.host == "127.0.0.1"
    assert config.sources[0].options.bind == "tcp://127.0.0.1:*"


# ---------------------------------------------------------------- documentation


def documented():
    """Table name → key → default, as docs/configuration.md has them."""
    tables, name = {}, ""
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        if line.startswith("#"):
            name = ".".join(re.findall(r"\[([a-z.]+)\]", line)[:1])
        elif line.startswith("| `"):
            key, default = re.split(r"\s*\|\s*", line.strip("| "))[:2]
            tables.setdefault(name, {})[key.strip("`")] = default.strip("`")
    return tables


def keys_of(kind):
    def shown(field):
        if field.required:
            return "required"
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if default is None:
            return "none"
        return json.dumps(msgspec.to_builtins(default))

    return {field.encode_name: shown(field) for field in msgspec.structs.fields(kind)}


def test_every_key_is_documented_with_its_default():
    tables = {field.name: type(field.default) for field in msgspec.structs.fields(Tables)}
    structs = {name: kind for name, kind in tables.items() if issubclass(kind, msgspec.Struct)}
    expected = {name: keys_of(kind) for name, kind in structs.items()}
    expected["streams.known"] = keys_of(Known)
    expected["maintenance"] = keys_of(Maintenance)
    expected["sources"] = {"connector": "required"}
    assert documented() == expected
    assert set(tables) - set(structs) == {"sources", "sinks", "maintenance"}


def test_parse_takes_tables(tmp_path):
    assert parse({"sources": [{"connector": "host"}]}, "here").sources[0].name == "host"
