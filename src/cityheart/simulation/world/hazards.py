"""Tanks under watch: level, temperature, pressure and gas every minute, as the sites' gateways publish them over MQTT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .business import Business
from .cases import Window
from .chance import Floats, Ints, numbers
from .models import Case, Tank
from .times import DAY, SLOTS

__all__ = ["METRICS", "Watch"]

METRICS = ("level_m", "temperature_c", "pressure_kpa", "gas_ppm")
_METRIC_OF = {"level": "level_m", "temperature": "temperature_c", "pressure": "pressure_kpa"}
_SCHEMA = pa.schema([("sent_at", pa.timestamp("us", "UTC")), ("topic", pa.string()), ("payload", pa.binary())])
_ALARM = 0.97  # of the alarm value: from here on it is an excursion
_WARM = 0.9  # of the alarm value: warmer an ordinary tank does not become


class Watch:
    """The monitored tanks through all days."""

    def __init__(self, business: Business) -> None:
        self.business, town = business, business.town
        self.town = town
        rng = numbers(town.seed, "tanks", "life")
        count, days = len(town.tanks), town.span.whole + 2
        self.offset = rng.uniform(0, 20, (count, len(METRICS)))  # seconds after the minute
        self.base = rng.uniform(0.3, 0.55, count)  # usual pressure, of the alarm value
        self.warm = rng.uniform(0.5, 3.5, count)
        self.gas = rng.gamma(2.0, 0.3, count)
        self.weather = rng.normal(0, 1, (count, days))
        self.air = town.span.temperature(numbers(town.seed, "air"))
        self.windows: dict[int, list[Window]] = {}
        for window in business.plot.tanks:
            self.windows.setdefault(window.thing, []).append(window)
        self.carried: pa.Table | None = None
        self.held: dict[tuple[int, float], Floats] = {}
        self.by_holding: dict[int, list[tuple[float, float, float]]] = {}
        watched = {tank.holding for tank in town.tanks}
        for holding, since, until, tonnes in business.flows:
            if holding in watched:
                self.by_holding.setdefault(holding, []).append((since, until, tonnes))

        for tank, some in self.windows.items():
            self.windows[tank] = [self._possible(tank, window) for window in some]

    def _possible(self, tank: int, window: Window) -> Window:
        """A level that cannot rise for want of goods in the tank beside it becomes a pressure that does."""
        if window.how != "level":
            return window
        holding = self.town.tanks[tank].holding
        middle = (window.since + window.until) / 2
        day = int(middle // DAY)
        reached = self.levels(holding, day)[tank][int(middle - day * DAY)]
        enough = reached >= _ALARM * self.town.tanks[tank].alarm_level
        return window if enough else replace(window, how="pressure")

    def mass(self, holding: int, day: int) -> Floats:
        """Tonnes of a holding at the start of each minute of a day, and at its end (1,441 values)."""
        rate = np.repeat(self.business.rate(holding, day) / 15, 15)
        for since, until, tonnes in self.by_holding.get(holding, ()):
            if since < (day + 1) * DAY and until > day * DAY:
                edge = day * DAY + np.arange(DAY + 1)
                part = np.clip((edge - since) / (until - since), 0, 1)
                rate = rate + tonnes * np.diff(part)
        return np.asarray(np.concatenate([[0.0], np.cumsum(rate)]) + self.business.mass[holding, day], dtype=np.float64)

    def levels(self, holding: int, day: int) -> dict[int, Floats]:
        """The true level of each of a holding's tanks in metres, minute by minute; together they hold its mass."""
        tanks = self.town.holdings[holding].tanks
        whole = self.mass(holding, day)[:DAY]
        parts = np.array([self.town.tanks[tank].capacity for tank in tanks])
        minute = day * DAY + np.arange(DAY)
        shares = np.repeat((parts / parts.sum())[:, None], DAY, axis=1)
        if len(tanks) > 1:  # they are not filled quite alike
            sway = 0.03 * np.sin(minute / 2900.0 + holding) * shares.min(axis=0)
            shares[0] += sway
            shares[1] -= sway
        masses = shares * whole
        for n, tank in enumerate(tanks):
            for window in self.windows.get(tank, ()):
                if window.how == "level":
                    aim = 0.985 * self.town.tanks[tank].alarm_level / self.town.tanks[tank].height * parts[n]
                    moved = np.maximum(aim - masses[n], 0) * _swell(minute, window, 90)
                    other = 0 if n else 1
                    moved = np.minimum(moved, 0.9 * masses[other])
                    masses[n] += moved
                    masses[other] -= moved
        return {tank: masses[n] / parts[n] * self.town.tanks[tank].height for n, tank in enumerate(tanks)}

    def truth(self, tank: int, day: int, levels: dict[int, Floats]) -> Floats:
        """What really is in and around a tank: metrics × minutes, level first."""
        one = self.town.tanks[tank]
        rng = numbers(self.town.seed, "tank", str(tank), str(day))
        minute = day * DAY + np.arange(DAY)
        air = np.repeat(self.air[day * SLOTS : (day + 1) * SLOTS], 15)
        sun = np.clip(np.sin((np.arange(DAY) - 360) / 720 * np.pi), 0, None)
        mean = self.air[max(0, day - 1) * SLOTS : (day + 1) * SLOTS].mean()
        drift = np.interp(np.arange(DAY) / DAY, [0, 1], self.weather[tank, day : day + 2])
        warmth = mean + 0.25 * (air - mean) + self.warm[tank] * sun + 0.5 * drift + rng.normal(0, 0.05, DAY)
        warmth = np.minimum(warmth, _WARM * one.alarm_temperature)
        press = one.alarm_pressure * (self.base[tank] + 0.06 * sun + 0.02 * drift) * (1 + rng.normal(0, 0.004, DAY))
        gas = np.clip(self.gas[tank] * (1 + 0.3 * drift) + rng.normal(0, 0.05, DAY), 0, None)
        for window in self.windows.get(tank, ()):
            swell = _swell(minute, window, 25)
            if window.how == "temperature":
                warmth = np.maximum(warmth, warmth + (1.01 * one.alarm_temperature - warmth) * swell)
            elif window.how == "pressure":
                press = np.maximum(press, press + (1.02 * one.alarm_pressure - press) * swell)
            elif window.how == "near":
                warmth = np.maximum(warmth, warmth + (0.94 * one.alarm_temperature - warmth) * swell)
        return np.array([levels[tank], warmth, press, gas])

    def cases(self) -> list[Case]:
        """Excursions and sites that hold more than they may, found in what is really in the tanks."""
        found: list[Case] = []
        over: dict[int, list[float]] = {}
        past: dict[tuple[int, str], list[float]] = {}
        risky = {window.thing for window in self.business.plot.overfull if window.how == "case"}
        swollen = {tank for tank, some in self.windows.items() if any(w.how in _METRIC_OF for w in some)}
        risky |= {self.town.tanks[tank].holding for tank in swollen}
        for day in range(self.town.span.first // DAY, self.town.span.last // DAY):
            minute = day * DAY + np.arange(DAY)
            for holding in sorted(risky):
                one = self.town.holdings[holding]
                if len(hit := np.flatnonzero(self.mass(holding, day)[:DAY] > one.allowed)):
                    over.setdefault(holding, []).extend((minute[hit[0]], minute[hit[-1]]))
                levels = self.levels(holding, day)
                for tank in sorted(swollen & set(one.tanks)):
                    for k, alarm in enumerate(_alarms(self.town.tanks[tank])):
                        if not _eventful(self.windows[tank], METRICS[k], day):
                            continue
                        hit = np.flatnonzero(self.truth(tank, day, levels)[k] >= _ALARM * alarm)
                        if len(hit):
                            past.setdefault((tank, METRICS[k]), []).extend((minute[hit[0]], minute[hit[-1]]))
        for holding, times in over.items():
            site = self.town.sites[self.town.holdings[holding].site]
            cas = self.town.chemicals[self.town.holdings[holding].chemical].cas
            open_end = max(times) >= self.town.span.last - 2
            until = None if open_end else float(max(times))
            found.append(Case("over_storage", site.id, float(min(times)), until, f"{cas} above the licence"))
        for (tank, metric), times in past.items():
            site = self.town.sites[self.town.holdings[self.town.tanks[tank].holding].site]
            detail = f"{self.town.tanks[tank].id} {metric}"
            found.append(Case("tank_excursion", site.id, float(min(times)), float(max(times)), detail))
        return found

    def day(self, day: int) -> pa.Table:
        """One day's messages in sending order; what is late for tomorrow waits."""
        rng = numbers(self.town.seed, "messages", str(day))
        count = len(self.town.tanks)
        values = np.zeros((count, len(METRICS), DAY))
        quality = np.zeros((count, len(METRICS), DAY), dtype=np.int64)
        taken = np.zeros((count, len(METRICS), DAY))
        minute = day * DAY + np.arange(DAY)
        for holding in sorted({tank.holding for tank in self.town.tanks}):
            levels = self.levels(holding, day)
            for tank in self.town.holdings[holding].tanks:
                values[tank] = self.truth(tank, day, levels)
        values[:, 0] += rng.normal(0, 0.003, values[:, 0].shape)
        taken[:] = minute + self.offset[:, :, None] / 60 + rng.uniform(0, 0.02, taken.shape)
        sent = taken + rng.exponential(0.012, taken.shape) + 0.003
        said = taken.copy()
        for tank, some in sorted(self.windows.items()):
            for window in some:
                self._disturb(tank, window, minute, values, quality, said, rng)
        shaky = rng.random(values.shape) < 0.0008
        quality[shaky] = 1
        return self._told(values, quality, said, sent, day, rng)

    def _disturb(
        self,
        tank: int,
        window: Window,
        minute: Ints,
        values: Floats,
        quality: Ints,
        said: Floats,
        rng: np.random.Generator,
    ) -> None:
        within = (minute >= window.since) & (minute < window.until)
        if not within.any():
            return
        one, how = self.town.tanks[tank], window.how
        if how == "wire":  # the loop is open: the reading stands beyond the end of the scale
            values[tank, 0, within] = round(one.height * 1.25, 2)
        elif how == "wire0":
            values[tank, 1, within] = -40.0
        elif how == "spike":
            first = np.flatnonzero(within)[:2]
            values[tank, 2, first] = one.alarm_pressure * 1.6
        elif how == "noise":
            values[tank, 1, within] = rng.uniform(-30, 1.4 * one.alarm_temperature, int(within.sum()))
            quality[tank, 1, within] = 2
        elif how == "clock":
            said[tank][:, within] += 180.0 * (1 if tank % 2 else -1)
        elif how == "frozen":
            held = self.held.setdefault((tank, window.since), values[tank, :, int(np.argmax(within))].copy())
            values[tank][:, within] = held[:, None]

    def _told(
        self, values: Floats, quality: Ints, said: Floats, sent: Floats, day: int, rng: np.random.Generator
    ) -> pa.Table:
        late = rng.random(values.shape) < 0.004
        sent = np.where(late, sent + rng.exponential(18, values.shape), sent)
        kept = np.flatnonzero(rng.random(values.size) > 0.0015)
        twice = kept[rng.random(len(kept)) < 0.003]
        chosen = np.concatenate([kept, twice])
        times = np.concatenate([sent.ravel()[kept], sent.ravel()[twice] + rng.uniform(0.01, 1.5, len(twice))])
        topics = pa.array(
            [
                f"hazards/{self.town.sites[self.town.holdings[tank.holding].site].id}/{tank.id}/{metric}"
                for tank in self.town.tanks
                for metric in METRICS
            ]
        )
        spoken = self.town.span.micro(said.ravel()[chosen]) // 1000
        payload = pc.binary_join_element_wise(
            '{"t":',
            pc.cast(pa.array(spoken), pa.string()),
            ',"v":',
            pc.cast(pa.array(np.round(values.ravel()[chosen], 2)), pa.string()),
            ',"q":',
            pc.cast(pa.array(quality.ravel()[chosen]), pa.string()),
            "}",
            "",
        )
        table = pa.table(
            [
                pa.array(self.town.span.micro(times), pa.timestamp("us", "UTC")),
                topics.take(pa.array(chosen // DAY)),
                pc.cast(payload, pa.binary()),
            ],
            schema=_SCHEMA,
        )
        return self._ordered(table, day)

    def _ordered(self, table: pa.Table, day: int) -> pa.Table:
        if self.carried is not None:
            table = pa.concat_tables([self.carried, table])
        sent = table["sent_at"].cast(pa.int64()).to_numpy()
        edge = int(self.town.span.micro((day + 1) * DAY))
        order = np.argsort(sent, kind="stable")
        inside = int(np.searchsorted(sent[order], edge))
        self.carried = table.take(pa.array(order[inside:])).combine_chunks()
        return table.take(pa.array(order[:inside])).combine_chunks()


def _alarms(tank: Tank) -> tuple[float, float, float]:
    return tank.alarm_level, tank.alarm_temperature, tank.alarm_pressure


def _eventful(windows: list[Window], metric: str, day: int) -> bool:
    """Whether somebody planted an excursion of this metric near this day."""
    return any(
        _METRIC_OF.get(w.how) == metric and w.since - 240 < (day + 1) * DAY and w.until + 240 > day * DAY
        for w in windows
    )


def _swell(minute: Ints, window: Window, ramp: float) -> Floats:
    """Up within ``ramp`` minutes, steady, and down again: 0 to 1."""
    up = np.clip((minute - window.since) / ramp, 0, 1)
    down = np.clip((window.until + ramp - minute) / ramp, 0, 1)
    return np.asarray(up * down, dtype=np.float64)
