"""A whole application in a folder of its own, outside the city's package: what somebody else would write."""

from __future__ import annotations

import json
from pathlib import Path

MANIFEST = """
[app]
id = "village"
version = "1"
title = {"zh-CN" = "村", en = "Village"}
description = {"zh-CN" = "噪声", en = "Noise"}
contracts = ["contracts/noise.json"]
detectors = "detectors:detectors"
alerts = "alerts.toml"
plans = "plans"

[[departments]]
code = "ecology"
title = {"zh-CN" = "生态环境局", en = "Ecology"}

[[sources]]
id = "ecology.noise"
department = "ecology"
title = {"zh-CN" = "噪声监测", en = "Noise meters"}
connector = "push"
dataset = "noise"

[feed]
source = "ecology.noise"
entry = "feed:deliveries"
data = "reference/points.csv"
from = 2015-11-01T00:00:00+08:00
to = 2015-12-01T00:00:00+08:00

[[layers]]
id = "village.meters"
title = {"zh-CN" = "噪声", en = "Noise"}
dataset = "noise"
key = "station"
value = "level"
unit = "dB"
fields = ["source"]
stale_after = "PT2H"
lookback = "P1D"
points = "reference/points.csv"
bands = [{from = 0, to = 55, label = {"zh-CN" = "静", en = "Quiet"}, colour = "#00e400"}]

[[layers]]
id = "village.drifting"
title = {"zh-CN" = "噪声", en = "Noise"}
dataset = "noise"
key = "station"
value = "level"
unit = "dB"

[[panels]]
id = "village.table"
title = {"zh-CN" = "表", en = "Table"}
kind = "table"
sql = "SELECT station, max(level) AS level FROM noise WHERE level > $least GROUP BY station ORDER BY station"
window = "PT3H"
parameters = {least = 10}
columns = [
  {name = "station", title = {"zh-CN" = "站", en = "Station"}},
  {name = "level", title = {"zh-CN" = "级", en = "Level"}, unit = "dB"},
]

[[panels]]
id = "village.line"
title = {"zh-CN" = "线", en = "Line"}
kind = "series"
page = "incident"
sql = "SELECT observed_at, max(level) AS level FROM noise GROUP BY observed_at"
x = "observed_at"
unit = "dB"
lines = [{column = "level", name = {"zh-CN" = "级", en = "Level"}}]
thresholds = [{name = {"zh-CN" = "限", en = "Limit"}, value = 70}]

[[panels]]
id = "village.function"
title = {"zh-CN" = "函数", en = "Function"}
kind = "table"
entry = "panels:count"

[[panels]]
id = "village.text"
title = {"zh-CN" = "文", en = "Text"}
kind = "text"
text = {"zh-CN" = "你好", en = "Hello"}
"""

ALERTS = """
[[alerts]]
kind = "loud"
department = "ecology"
title = {"zh-CN" = "噪声预警", en = "Noise warning"}
class = {"zh-CN" = "环境", en = "Environment"}
issuer = {"zh-CN" = "生态环境局", en = "Ecology"}
area = {"zh-CN" = "{subject}", en = "{subject}"}
[alerts.levels.4]
advice = [{"zh-CN" = "关窗", en = "Close windows"}]
measures = []
"""

PLAN = """
plan: quiet
version: "1"
title: {zh-CN: 降噪方案, en: Quiet plan}
for: {kind: loud, levels: [4]}
steps:
  - {id: measure, title: {zh-CN: 测量, en: Measure}, unit: ecology, accept_within: PT30M, due: PT3H}
"""

CONTRACT = {
    "name": "noise",
    "title": {"zh-CN": "噪声", "en": "Noise"},
    "schema": {
        "fields": [
            {"name": "station", "type": "string", "constraints": {"required": True}},
            {"name": "observed_at", "type": "datetime", "constraints": {"required": True}},
            {"name": "level", "type": "number"},
            {"name": "source", "type": "string"},
            {"name": "lon", "type": "number"},
            {"name": "lat", "type": "number"},
        ],
        "primaryKey": ["station", "observed_at"],
    },
    "cityheart": {
        "owner": "ecology",
        "time": "observed_at",
        "position": {"lon": "lon", "lat": "lat", "datum": "WGS84"},
        "sharing": 1,
        "classification": "public",
        "purpose": {"zh-CN": "监测", "en": "Monitoring"},
        "update_cycle": "PT1H",
    },
}

DETECTORS = """
from datetime import timedelta
from cityheart.sdk import QueryDetector, QueryFinding, text

def detectors():
    return [QueryDetector(
        id="village.loud", title=text("噪声", "Noise"), kind="loud", sql="SELECT station FROM noise WHERE level > 70",
        inputs=("noise",), every=timedelta(hours=1), window=timedelta(hours=1),
        finding=QueryFinding("station", "station", text("{station}", "{station}"), level=4),
    )]
"""

PANELS = """
from datetime import timedelta

def count(read, now):
    rows = read.query("SELECT count(*) AS n FROM noise WHERE observed_at <= $now", window=timedelta(days=1))
    return {"type": "table", "columns": [], "rows": [[rows["n"][0].as_py(), now]], "note": None}

def greedy(read, now):
    read.query("SELECT * FROM secret", window=timedelta(days=1))
"""

FEED = """
def deliveries(data, since, until, batch):
    yield []
"""

POINTS = "key,lon,lat,zh-CN,en\neast,116.5,39.9,东站,East\nwest,116.1,39.9,西站,West\n"


def write(folder: Path) -> Path:
    """Write the application; returns its folder."""
    files = {
        "manifest.toml": MANIFEST,
        "alerts.toml": ALERTS,
        "plans/quiet.yaml": PLAN,
        "contracts/noise.json": json.dumps(CONTRACT, ensure_ascii=False),
        "detectors.py": DETECTORS,
        "panels.py": PANELS,
        "feed.py": FEED,
        "reference/points.csv": POINTS,
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return folder
