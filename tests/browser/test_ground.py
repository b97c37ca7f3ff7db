"""A city's own map: a PMTiles file out of its folder is read in parts and drawn; many points are one layer and a list."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.settings import BaseLayer, Settings
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import PATIENCE_MS, OpenPage, Served, serving
from .tiles import pmtiles

COLOUR = "#ff00aa"
ATTRIBUTION = "审图号 测试"
LAKE = (116.1, 39.6, 116.8, 40.4)  # west, south, east, north
POINTS = 40_000
# The share of a picture that has a colour, as it is mixed with the ground beneath it.
SHARE = """async picture => {
  const bytes = Uint8Array.from(atob(picture), one => one.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], {type: 'image/png'}));
  const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
  pen.drawImage(image, 0, 0);
  const {data} = pen.getImageData(0, 0, image.width, image.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at] > 200 && data[at + 1] < 110 && data[at + 2] > 120;
  return found / (data.length / 4);
}"""

# A layer of so many points, answered inside the page.
MANY = """{
  const ask = window.fetch;
  window.fetch = (what, how) => {
    if (!String(what.url ?? what).includes('/api/layers/air.')) return ask(what, how);
    const features = Array.from({length: POINTS}, (_, n) => ({
      type: 'Feature',
      geometry: {type: 'Point', coordinates: [116 + (n % 1000) / 1000, 39.6 + n / 125000]},
      properties: {key: `p${n}`, name: {'zh-CN': `点 ${n}`, en: `point ${n}`}, value: n % 500,
                   at: '2015-11-26T00:00:00Z', stale: false},
    }));
    const answer = JSON.stringify({type: 'FeatureCollection', features});
    return Promise.resolve(new Response(answer, {headers: {'content-type': 'application/json'}}));
  };
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A city in which nothing has happened, with a map of its own."""
    home = tmp_path_factory.mktemp("ground") / "city"
    water = BaseLayer(
        file="map/water.pmtiles",
        title=text("水系", "Water"),
        draw="fill",
        part="water",
        colour=COLOUR,
        attribution=ATTRIBUTION,
    )
    settings = Settings(home=home, apps=("air",), seed=1, clock="virtual", map=(water,))
    city = City.create(settings, VirtualClock(datetime(2015, 11, 26, tzinfo=UTC)))
    (home / "map").mkdir()
    (home / "map" / "water.pmtiles").write_bytes(pmtiles(*LAKE))
    city.serve.create(
        Actor.system("test"), "officer", PASSWORD, name=text("值班", "Duty"), department=None, roles=["duty_officer"]
    )
    with serving(city) as served:
        yield served


def _share(page: Page) -> float:
    picture = base64.b64encode(page.get_by_test_id("map").screenshot()).decode()
    return float(page.evaluate(SHARE, picture))


def test_tiles_of_ones_own_are_drawn_from_parts_of_one_file(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/inbox", width=1440, height=900) as page:
        parts: list[int] = []
        page.on(
            "response",
            lambda one: parts.append(one.status) if one.url.endswith("water.pmtiles") else None,
        )
        page.goto(f"{served.address}/command")
        expect(page.locator("[data-testid=map][data-ready=true]")).to_be_visible()
        expect(page.get_by_text(ATTRIBUTION)).to_be_visible()
        expect(page.get_by_text("示意图")).to_have_count(0)
        for _ in range(PATIENCE_MS // 250):  # the file is read only now: until its tile is drawn
            share = _share(page)
            if share > 0.05:
                break
            page.wait_for_timeout(250)
        assert 0.05 < share < 0.9  # the lake, and the land around it
        assert set(parts) == {206}


def test_tens_of_thousands_of_points_are_drawn_and_found_without_a_mouse(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/inbox", width=1000, height=600) as page:
        page.add_init_script(MANY.replace("POINTS", str(POINTS)))
        page.goto(f"{served.address}/command")
        drawn = page.get_by_test_id("map")
        expect(drawn).to_have_attribute("data-points", str(POINTS))
        expect(page.locator("[data-testid=map][data-ready=true]")).to_be_visible()
        expect(page.get_by_test_id("point-row")).not_to_have_count(0)
        assert page.get_by_test_id("point-row").count() <= 200  # a list of all would be too long for anybody
        page.get_by_test_id("point-filter").fill("点 39998")
        expect(page.get_by_test_id("point-row")).to_have_count(1)
        page.get_by_test_id("point-row").press("Enter")
        expect(page).to_have_url(f"{served.address}/command?point=p39998")
