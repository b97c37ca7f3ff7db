"""An application is read whole, or refused with the file and the place in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.kernel.errors import Invalid, NotFound
from cityheart.sdk import load

from . import village


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return village.write(tmp_path / "village")


def test_an_application_from_anywhere(folder: Path) -> None:
    app = load(folder)
    assert (app.id, app.title["en"], app.simulated, app.notice) == ("village", "Village", False, None)
    assert [one.code for one in app.departments] == ["ecology"]
    assert [one.name for one in app.datasets] == ["noise"]
    assert [one.id for one in app.sources] == ["ecology.noise"]
    assert [one.id for one in app.detectors] == ["village.loud"]
    (kind,) = app.alert_kinds
    assert kind.words(4).advice == ({"zh-CN": "关窗", "en": "Close windows"},)
    assert kind.words(1).advice == ()
    assert app.plans == (village.PLAN,)
    assert app.layers[0].stale_after == timedelta(hours=2)
    assert app.feed is not None
    assert app.feed.since == datetime(2015, 10, 31, 16, tzinfo=UTC)
    assert list(app.feed.deliveries(app.feed.since, app.feed.until, timedelta(days=1))) == [[]]


def test_an_application_says_its_refusals_in_chinese(folder: Path) -> None:
    words = folder / "refusals.zh.toml"
    words.write_text(
        '"the {name} of the village has run dry" = "村里的{name|well}干了"\n[well]\nwell = "水井"', "utf-8"
    )
    load(folder)
    told = Invalid("the well of the village has run dry", remedy="look at the list of tasks").said("zh-CN")
    assert told == ("村里的水井干了", "请查看任务列表")
    words.write_text('"the {name} has run dry" = "{well}干了"', "utf-8")
    with pytest.raises(Invalid, match=r"refusals\.zh\.toml.*has no field well"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("manifest.toml", 'version = "1"', 'version = "1"\ncolour = "red"', r"manifest.toml: app.colour: Extra inputs"),
        ("manifest.toml", "[app]", "[app", r"manifest.toml: not valid TOML"),
        ("manifest.toml", ', en = "Village"', "", r"manifest.toml: app.title: .*both languages"),
        ("manifest.toml", 'lookback = "P1D"', 'lookback = "PT0S"', r"layers.0.lookback: .*longer than nothing"),
        ("manifest.toml", '"#00e400"', '"green"', r"layers.0.bands.0.colour"),
        ("manifest.toml", "00:00+08:00", "00:00", r"feed.from: .*offset"),
        ("manifest.toml", 'x = "observed_at"\n', "", r"panels.1: .*names x and lines"),
        ("manifest.toml", 'text = {"zh-CN" = "你好", en = "Hello"}', "", r"panels.3: .*text panel has text"),
        ("manifest.toml", 'value = "level"', 'value = "loudness"', r"layer village.meters: noise has no column loudness"),
        ("manifest.toml", 'dataset = "noise"', 'dataset = "smell"', r"source ecology.noise: dataset smell has no contract"),
        ("manifest.toml", 'code = "ecology"', 'code = "weather"', r"dataset noise: department ecology is not declared"),
        ("manifest.toml", 'id = "village.line"', 'id = "village.table"', r"panel village.table is declared twice"),
        ("manifest.toml", "detectors:detectors", "detectors:nothing", r"detectors:nothing"),
        ("manifest.toml", "detectors:detectors", "nothing:detectors", r"nothing:detectors"),
        ("manifest.toml", 'source = "ecology.noise"', 'source = "ecology.smell"', r"the feed's source ecology.smell"),
        ("manifest.toml", '"contracts/noise.json"', '"../noise.json"', r"outside the application's folder"),
        ("alerts.toml", 'kind = "loud"', 'kind = "quiet"', r"detector village.loud: alert kind loud is not declared"),
        ("alerts.toml", "levels.4", "levels.5", r"alerts.toml: alerts.0.levels.5"),
        ("alerts.toml", 'class = {"zh-CN" = "环境", en = "Environment"}', "", r"alerts.toml: alerts.0.class"),
        ("plans/quiet.yaml", "unit: ecology", "unit: nobody", r"plan: quiet.*there is no department nobody"),
        ("plans/quiet.yaml", "kind: loud", "kind: smell", r"plan quiet: alert kind smell is not declared"),
        ("contracts/noise.json", '"name": "noise"', '"name": "NOISE!"', r"noise.json"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(file: str, old: str, new: str, says: str, folder: Path) -> None:
    path = folder / file
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), "utf-8")
    with pytest.raises(Invalid, match=says):
        load(folder)


@pytest.mark.parametrize("file", ["manifest.toml", "alerts.toml", "plans/quiet.yaml", "reference/points.csv"])
def test_what_is_missing_is_named(file: str, folder: Path) -> None:
    (folder / file).unlink()
    with pytest.raises(NotFound, match=file.split("/")[0].split(".")[0]):
        load(folder)
