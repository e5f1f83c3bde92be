"""Charts: what is drawn, the sentence that says it, and the table for who cannot see it. static/chart.js draws them with uPlot; `picture`
draws them as SVG, to be kept."""

from __future__ import annotations

import msgspec
from babel import Locale
from msgspec import Struct

from goodword.console import words
from goodword.core.money import exponent
from goodword.core.period import DAY_MS, Period, label


class Series(Struct, frozen=True):
    """A line: its name, its values (whole numbers: counts, or minor units), and its currency or unit, "" for counts."""

    name: str
    values: list[int]
    unit: str = ""


class Chart(Struct, frozen=True):
    """Lines over the same periods. `starts` are their first days."""

    id: str
    title: str
    period: Period
    starts: list[int]
    series: list[Series]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but zeros."""
        return not any(any(each.values) for each in self.series)

    @property
    def labels(self) -> list[str]:
        """What the periods are called."""
        return [label(self.period, start) for start in self.starts]

    def data(self) -> str:
        """For uPlot, as JSON: what a point stands for, seconds, values as people know them, names, digits after the point."""
        return msgspec.json.encode(
            {
                "period": self.period.capitalize(),
                "at": [start * DAY_MS // 1000 for start in self.starts],
                "series": [
                    {"name": each.name, "digits": digits(each.unit), "values": [scaled(value, each.unit) for value in each.values]}
                    for each in self.series
                ],
            }
        ).decode()

    def rows(self, locale: Locale) -> list[tuple[str, list[str]]]:
        """The table: a period and its values, written out."""
        return [(name, [written(each.values[place], each.unit, locale) for each in self.series]) for place, name in enumerate(self.labels)]

    def totals(self, locale: Locale) -> list[tuple[str, str]]:
        """Each line's name and sum, for the sentence under the chart."""
        return [(each.name, written(sum(each.values), each.unit, locale)) for each in self.series]


def digits(unit: str) -> int:
    """Digits after the point of a unit; none of counts."""
    return exponent(unit) if unit else 0


def scaled(value: int, unit: str) -> float:
    """A value as people know it: 1050 of USD is 10.5."""
    return value / float(10 ** digits(unit))


def written(value: int, unit: str, locale: Locale) -> str:
    """A value in words."""
    if not unit:
        return words.number(value, locale)
    return words.money(value, unit, locale) if len(unit) == 3 else f"{words.number(scaled(value, unit), locale)} {unit_name(unit)}"


def unit_name(unit: str) -> str:
    """What a unit that is no currency is called."""
    return {"POINTS": "points", "PERCENT_OFF": "percent off", "MONTH": "months"}.get(unit, unit)
