"""Vehicles to follow are declared as data, and what does not fit is said with its place."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cityheart.kernel.errors import Invalid, NotFound
from cityheart.sdk import load

from . import village

TRACKS = """
[[tracks]]
name = "cart"
title = {"zh-CN" = "板车", en = "Carts"}
dataset = "place"
key = "cart"
zones = "zones.geojson"
sites = {dataset = "place", id = "cart", within_m = 50}
parameters = {stay = "PT5M", radius_m = 80}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = village.write(tmp_path / "village")
    names = {"cart": "string", "at": "datetime", "lon": "number", "lat": "number"}
    words = {"zh-CN": "位置", "en": "Places"}
    document = {
        "name": "place",
        "title": words,
        "schema": {
            "fields": [{"name": name, "type": kind, "title": words} for name, kind in names.items()],
            "primaryKey": ["cart", "at"],
        },
        "cityheart": {
            "owner": "ecology",
            "time": "at",
            "sharing": 3,
            "classification": "internal",
            "purpose": words,
            "position": {"lon": "lon", "lat": "lat", "datum": "WGS84"},
        },
    }
    (folder / "contracts/place.json").write_text(json.dumps(document), "utf-8")
    manifest = folder / "manifest.toml"
    manifest.write_text(
        manifest.read_text("utf-8").replace(
            '["contracts/noise.json"]', '["contracts/noise.json", "contracts/place.json"]\ntracks = "tracks.toml"'
        ),
        "utf-8",
    )
    (folder / "tracks.toml").write_text(TRACKS, "utf-8")
    return folder


def test_what_comes_of_following_is_shared_as_the_positions_are(folder: Path) -> None:
    app = load(folder)
    (cart,) = app.tracks
    assert (cart.parameters.stay, cart.parameters.radius_m) == (timedelta(minutes=5), 80)
    assert cart.outputs == ("cart_stay", "cart_trip", "cart_visit")
    made = {one.name: one for one in app.contracts if one.name.startswith("cart_")}
    assert set(made) == set(cart.outputs)
    for one in made.values():
        assert (one.owner, one.sharing, one.classification, one.time) == ("ecology", 3, "internal", "since")
        assert all(field.title and set(field.title) == {"zh-CN", "en"} for field in one.fields)
    assert made["cart_visit"].key == ("cart", "layer", "place", "since")
    assert made["cart_stay"].title == {"zh-CN": "板车：停留", "en": "Carts: stays"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('dataset = "place"\n', 'dataset = "road"\n', "dataset road has no contract"),
        ('dataset = "place"\n', 'dataset = "noise"\n', "noise has no"),
        ('key = "cart"', 'key = "lon"', "name vehicles by text"),
        ('id = "cart"', 'id = "name"', "place has no column name"),
        ('sites = {dataset = "place"', 'sites = {dataset = "shop"', "dataset shop has no contract"),
        ('stay = "PT5M"', 'stay = "soon"', "tracks.toml: cart: 'soon' is not a duration"),
        ("radius_m = 80", "radius = 80", "tracks.toml: cart: tracks: there is no parameter 'radius'"),
        ("within_m = 50", "within_m = 0", r"tracks.toml: tracks.0.sites.within_m"),
        ('"zones.geojson"', '"../zones.geojson"', r"tracks.toml: tracks.0.zones"),
        ('name = "cart"', 'name = "Cart"', r"tracks.toml: tracks.0.name"),
        (TRACKS, TRACKS * 2, "dataset cart_stay, cart_trip, cart_visit is declared twice"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, old: str, new: str, says: str) -> None:
    file = folder / "tracks.toml"
    assert old in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(Invalid, match=says):
        load(folder)


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "tracks.toml").unlink()
    with pytest.raises(NotFound, match=r"tracks\.toml"):
        load(folder)
