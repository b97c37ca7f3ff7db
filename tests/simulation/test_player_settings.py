"""What a city's settings say of a source goes before what its application says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cityheart.city import _as_here
from cityheart.kernel.errors import Invalid
from cityheart.kernel.settings import FILE, Settings
from cityheart.sdk import App, load

from . import tiny

DIFFERENCES: dict[str, dict[str, object]] = {
    "trucks.position": {"port": 17808, "host": "0.0.0.0"},  # noqa: S104  (only read)
    "register.firm": {"url": 'sqlite:///a "quoted" name.sqlite', "schedule": "PT1H"},
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return load(tiny.write_app(tmp_path_factory.mktemp("app") / "tiny"))


def test_options_are_merged_and_the_schedule_replaced(app: App) -> None:
    (here,) = _as_here([app], DIFFERENCES)
    sources = {source.id: source for source in here.sources}
    assert sources["trucks.position"].options == {"port": 17808, "host": "0.0.0.0"}  # noqa: S104
    firm = sources["register.firm"]
    assert (firm.schedule, firm.options["table"]) == ("PT1H", "firm")
    assert firm.options["url"] == DIFFERENCES["register.firm"]["url"] and "schedule" not in firm.options
    assert sources["permits.permit"] == next(each for each in app.sources if each.id == "permits.permit")


def test_a_source_of_no_application_is_named(app: App) -> None:
    with pytest.raises(Invalid, match=r'no application has the source "trucks\.positions"') as caught:
        _as_here([app], {"trucks.positions": {"port": 1}})
    assert "trucks.position" in str(caught.value.remedy)


def test_settings_are_saved_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(home=tmp_path, sources=DIFFERENCES).save()
    assert Settings.load(tmp_path).sources == DIFFERENCES
    assert tomllib.loads((tmp_path / FILE).read_text("utf-8"))["sources"] == DIFFERENCES
    monkeypatch.setenv("CITYHEART_SOURCES", '{"a.b": {"port": 1}}')
    assert Settings.load(tmp_path).sources == {"a.b": {"port": 1}}
    monkeypatch.setenv("CITYHEART_SOURCES", "port=1")
    with pytest.raises(Invalid, match="CITYHEART_SOURCES is not JSON"):
        Settings.load(tmp_path)
