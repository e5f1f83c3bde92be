"""The templates: Jinja2, everything escaped, an unknown name is an error. Each feature has a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec
from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from goodword.console import words
from goodword.console.asset import Assets


def _locale(context: Context) -> Locale:
    locale: Locale = context["locale"]
    return locale


@pass_context
def _number(context: Context, value: int) -> str:
    return words.number(value, _locale(context))


@pass_context
def _about(context: Context, value: int) -> Markup:
    return words.about(value, _locale(context))


@pass_context
def _percent(context: Context, ratio: float | None) -> str:
    return words.percent(ratio, _locale(context))


@pass_context
def _money(context: Context, amount: int | None, currency: str | None) -> str:
    return words.money(amount, currency, _locale(context))


@pass_context
def _day(context: Context, number: int) -> str:
    return words.day(number, _locale(context))


def _pretty(value: Any) -> str:
    """JSON as it is read by people; bytes that are none as they are."""
    try:
        if isinstance(value, (bytes, str)):
            return msgspec.json.format(value, indent=2).decode() if isinstance(value, bytes) else msgspec.json.format(value, indent=2)
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except msgspec.DecodeError:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class Templates:
    """All templates of the console."""

    def __init__(self, assets: Assets) -> None:
        folder = resources.files("goodword.console") / "templates"
        self.environment = Environment(
            loader=FileSystemLoader(str(folder)), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.environment.filters.update(
            number=_number, about=_about, percent=_percent, money=_money, day=_day, time=words.time, pretty=_pretty,
            short_id=words.short_id, marked=words.marked,
        )  # fmt: skip
        self.environment.globals["asset"] = assets.address

    def render(self, name: str, locale: Locale, values: Mapping[str, Any]) -> str:
        """A template filled in."""
        return self.environment.get_template(name).render(locale=locale, **values)
