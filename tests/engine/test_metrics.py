import math
import re
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from streamrnn.engine.maintenance import Maintenance
from streamrnn.engine.metrics import EngineCollector, Exposure
from streamrnn.engine.ports import Reject
from streamrnn.errors import Reason
from streamrnn.tasks.recipe import Recipe

TABLE = Path(__file__).parents[2] / "docs" / "metrics.md"


def registry(engine, **exposure):
    engine.run(threading.Event())
    made = CollectorRegistry()
    made.register(EngineCollector(engine, Exposure(**exposure)))
    return made


@pytest.fixture(params=[False], ids=["plain"])
def busy(request, engine, batch):
    """An engine that has seen some of everything; with the gradient audit where asked for."""
    t = np.arange(300)
    x = np.sin(t / 5) + 0.01 * np.random.default_rng(0).standard_normal(300)
    x[250:] += 40.0
    x[100] = np.nan
    rest = [batch("pump-2", [1, 1], [1.0, 1.0]), batch("pump-1", [400], [2.0], 9), Reject(Reason.MALFORMED)]
    recipe = Recipe(audit=request.param)
    return engine([batch("pump-1", t, x, 0)], rest, [batch("other", t, x)], recipe=recipe)


audited = pytest.mark.parametrize("busy", [True], indirect=True, ids=["audited"])


def values(made):
    return {
        (s.name, *s.labels.values()): s.value
        for f in text_string_to_metric_families(generate_latest(made).decode())
        for s in f.samples
    }


def test_numbers_are_those_of_the_engine(busy):
    found = values(registry(busy, streams=("pump-*",)))
    assert found["streamrnn_samples_total",] == 300 + 300 + 2
    assert found["streamrnn_streams",] == 3
    assert found["streamrnn_input_rejected_total", "duplicate"] == 1
    assert found["streamrnn_input_rejected_total", "malformed"] == 1
    assert found["streamrnn_values_missing_total",] == 2
    assert found["streamrnn_sequence_restarts_total",] == 1
    assert found["streamrnn_alarms_total",] == 2
    assert found["streamrnn_step_seconds_count",] == found["streamrnn_samples_total",]
    assert found["streamrnn_step_seconds_bucket", "+Inf"] == found["streamrnn_samples_total",]
    assert found["streamrnn_lag_seconds",] == 600.0
    assert found["streamrnn_stream_samples_total", "pump-1"] == 301
    assert found["streamrnn_value", "c0", "pump-1"] == 2.0
    assert found["streamrnn_absolute_error_total", "c0", "pump-1"] > 0.0
    assert 0.0 < found["streamrnn_coverage_ratio", "c0", "pump-1"] <= 1.0
    assert math.isnan(found["streamrnn_expected", "c0", "pump-2"])


def test_conditions_are_metrics(engine, batch, clock):
    t = np.arange(300)
    x = np.random.default_rng(0).standard_normal((300, 2))
    x[250:, 1] = x[250, 1]
    window = msgspec.convert({"from": "1970-01-01T00:04:30Z", "until": "1970-01-01T00:10:00Z"}, Maintenance)
    made = engine([batch("pump", t, x)], [], windows=[window])
    made.turn(0.0)
    clock.advance(10.0)
    found = values(registry(made, streams=("*",)))
    kinds = {"missing": 0, "silent": 1, "flat": 1, "rate": 0}
    assert {kind: found["streamrnn_conditions_active", kind] for kind in kinds} == kinds
    assert {kind: found["streamrnn_conditions_total", kind] for kind in kinds} == kinds
    assert {kind: found["streamrnn_stream_condition", kind, "pump"] for kind in kinds} == kinds
    assert (found["streamrnn_streams_muted",], found["streamrnn_stream_muted", "pump"]) == (1, 1)
    assert (found["streamrnn_streams_refusing",], found["streamrnn_stream_refusing", "pump"]) == (0, 0)


@audited
def test_the_gradient_audit_is_a_metric(busy):
    found = values(registry(busy, streams=("pump-*",)))
    assert found["streamrnn_gradient_cosine_ratio",] == pytest.approx(1.0, abs=0.01)  # the default learner is exact
    assert found["streamrnn_stream_gradient_cosine_ratio", "pump-1"] == pytest.approx(1.0, abs=0.01)
    assert math.isnan(found["streamrnn_stream_gradient_cosine_ratio", "pump-2"])


def test_without_the_audit_there_is_no_such_metric(busy):
    assert not [key for key in values(registry(busy, streams=("*",))) if "cosine" in key[0]]


def test_every_reason_is_there_from_the_start(engine):
    found = values(registry(engine()))
    assert {key[1]: v for key, v in found.items() if key[0] == "streamrnn_input_rejected_total"} == dict.fromkeys(
        Reason, 0
    )


def test_streams_have_metrics_of_their_own_by_choice_and_up_to_the_limit(busy):
    assert not [key for key in values(registry(busy)) if "pump-1" in key]
    found = values(registry(busy, streams=("pump-*", "oth*"), limit=2))
    assert {key[1] for key in found if key[0] == "streamrnn_stream_score"} == {"pump-1", "pump-2"}
    assert found["streamrnn_streams_suppressed",] == 1


def test_names_from_strangers_are_escaped(engine, batch):
    name = 'a"} 1\nevil_total 1\\'
    found = values(registry(engine([batch(name, [1], [1.0])]), streams=("*",)))
    assert found["streamrnn_stream_samples_total", name] == 1
    assert not [key for key in found if "evil" in key[0]]


def test_it_is_valid_openmetrics(busy):
    families = list(parse_openmetrics(generate_openmetrics(registry(busy, streams=("*",))).decode()))
    assert len(families) > 25


def documented():
    rows = [
        re.split(r"\s*\|\s*", line.strip("| \n")) for line in TABLE.read_text().splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): (row[1], {label.strip("` ") for label in row[2].split(",")} - {""}) for row in rows}


@audited
def test_the_table_in_the_docs_holds_every_metric_and_no_other(busy):
    exposed = {}
    for family in text_string_to_metric_families(generate_latest(registry(busy, streams=("*",))).decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        exposed[name] = (family.type, labels | ({"sink"} if name.startswith("streamrnn_sink_") else set()))
    assert documented() == exposed


def test_names_keep_to_the_conventions():
    for name, (kind, _) in documented().items():
        assert re.fullmatch(r"streamrnn_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")
