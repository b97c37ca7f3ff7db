"""What leaves through the monitored outlets, minute by minute, and what their probes make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .business import Business
from .cases import Window
from .chance import Bools, Floats, numbers
from .models import Case, Outlet
from .times import DAY, SLOTS

__all__ = ["Probes", "Reading"]

_PLAIN = {"w01001": 7.3, "a19001": 8.0, "a01012": 106.0}  # factors without a limit: what is usual
_FLOWS = {"w00000", "a00000"}
_GUARD = 0.86  # of the limit: what an ordinary plant stays below at any minute


@dataclass(frozen=True, slots=True)
class Reading:
    """A day of one outlet: values (factors × 1,440 minutes) as the device sends them, and one flag a minute."""

    outlet: int
    values: Floats
    flags: NDArray[np.str_]


class Probes:
    """The outlets of the city through all days."""

    def __init__(self, business: Business) -> None:
        self.business, town = business, business.town
        self.town = town
        rng = numbers(town.seed, "probes")
        hours = town.span.whole * 24 + 1
        self.level = [rng.uniform(0.35, 0.6, len(outlet.factors)) for outlet in town.outlets]
        self.weather = [rng.normal(0, 0.12, (len(outlet.factors), hours)) for outlet in town.outlets]
        self.windows: dict[int, list[Window]] = {}
        for window in business.plot.probes:
            self.windows.setdefault(window.thing, []).append(window)
        self.frozen: dict[tuple[int, float], Floats] = {}

    def cases(self) -> list[Case]:
        """The rows of the truth about probes."""
        found = []
        for window in self.business.plot.probes:
            site = self.town.sites[self.town.outlets[window.thing].site]
            if window.how in ("frozen", "diluted"):
                kind, detail = "emission_tampering", window.how
            elif window.how == "over":
                kind, detail = "emission_exceedance", f"{self._main(window.thing)} × {window.size:.2f}"
            else:
                continue
            mn = self.town.outlets[window.thing].mn
            found.append(Case(kind, site.id, window.since, window.until, f"{mn} {detail}"))
        return found

    def _main(self, outlet: int) -> str:
        """The factor that an exceedance is about: the first with a limit."""
        told = self.town.outlets[outlet]
        return next(factor for factor, limit in zip(told.factors, told.limits, strict=True) if limit)

    def day(self, outlet: int, day: int) -> Reading:
        """One day of one outlet."""
        told = self.town.outlets[outlet]
        rng = numbers(self.town.seed, "probe", str(outlet), str(day))
        minute = day * DAY + np.arange(DAY)
        run = np.repeat(self.business.run[told.site, day * SLOTS : (day + 1) * SLOTS].astype(np.float64), 15)
        for window in self.windows.get(outlet, ()):
            if window.how in ("frozen", "diluted", "over"):  # the plant runs while somebody does this
                run = np.where((minute >= window.since) & (minute < window.until), np.maximum(run, 0.7), run)
        on = run > 0.05
        values = self._plain(told, outlet, minute, run, on, rng)
        flags = np.where(on, "N", "F")
        hour = 1 + int(rng.integers(23))
        if rng.random() < 0.12:  # a calibration, as every week or so
            flags[hour * 60 : hour * 60 + 25] = np.where(on[hour * 60 : hour * 60 + 25], "C", "F")
        if rng.random() < 0.02:
            flags[hour * 30 : hour * 30 + 9] = "T"
        for window in self.windows.get(outlet, ()):
            within = (minute >= window.since) & (minute < window.until)
            if within.any():
                self._disturb(told, outlet, window, values, flags, within, minute)
        digits = np.array([2 if limit == 0 or limit < 130 else 1 for limit in told.limits])
        return Reading(outlet, np.array([np.round(row, d) for row, d in zip(values, digits, strict=True)]), flags)

    def _plain(
        self, told: Outlet, outlet: int, minute: NDArray[np.int64], run: Floats, on: Bools, rng: np.random.Generator
    ) -> Floats:
        values = np.zeros((len(told.factors), DAY))
        for k, (factor, limit) in enumerate(zip(told.factors, told.limits, strict=True)):
            slow = np.interp(minute / 60, np.arange(self.weather[outlet].shape[1]), self.weather[outlet][k])
            noise = np.exp(slow + rng.normal(0, 0.05, DAY))
            if factor in _FLOWS:
                values[k] = np.where(on, told.design * (0.25 + 0.45 * run) * noise, 0.0)
            elif factor == "w01001":
                values[k] = _PLAIN[factor] + 2 * slow
            elif factor == "a19001":
                values[k] = np.where(on, _PLAIN[factor] * noise, 20.4 + 0.3 * slow)
            elif factor == "a01012":
                values[k] = np.where(on, _PLAIN[factor] * (0.94 + 0.06 * noise), 28 + 9 * slow)
            else:
                usual = limit * self.level[outlet][k] * (0.7 + 0.3 * run) * noise
                values[k] = np.where(on, np.minimum(usual, _GUARD * limit), 0.04 * limit * noise)
        return values

    def _disturb(
        self,
        told: Outlet,
        outlet: int,
        window: Window,
        values: Floats,
        flags: NDArray[np.str_],
        within: Bools,
        minute: NDArray[np.int64],
    ) -> None:
        how = window.how
        limited = [k for k, limit in enumerate(told.limits) if limit]
        main = limited[0]
        wobble = 1 + 0.03 * np.sin(minute / 3.7)
        if how in ("frozen", "short", "flagged"):
            first = int(np.argmax(within))
            held = self.frozen.setdefault((outlet, window.since), values[:, first].copy())
            for k in limited:
                values[k, within] = held[k]
            if how == "flagged":
                flags[within] = "D"
        elif how == "diluted":
            for k, factor in enumerate(told.factors):
                if factor in _FLOWS:
                    values[k, within] *= 1.6
                elif factor == "a19001":
                    values[k, within] = 18.7 + 0.4 * np.sin(minute[within] / 11.0)
                elif factor == "a01012":
                    values[k, within] *= 0.55
                elif k in limited:
                    values[k, within] *= 0.18
        elif how == "dip":  # less work, less of everything
            for k, factor in enumerate(told.factors):
                if factor in _FLOWS or k in limited:
                    values[k, within] *= 0.45
        elif how == "over":
            values[main, within] = (told.limits[main] * window.size * wobble)[within]
            flags[within] = "N"
        elif how in ("peak", "maintained", "calibration"):
            hour = int(window.since // 60) * 60
            short = within & (minute >= hour + 10) & (minute < hour + 28) if how == "peak" else within
            values[main, short] = (told.limits[main] * 1.4 * wobble)[short]
            if how != "peak":
                flags[within] = "M" if how == "maintained" else "C"
        elif how == "broken_hour":  # over the limit, and broken for so long that the hour does not count
            hour = int(window.since // 60) * 60
            part = (minute >= hour) & (minute < hour + 60)
            values[main, part] = (told.limits[main] * 1.5 * wobble)[part]
            flags[(minute >= hour + 22) & (minute < hour + 60)] = "D"
