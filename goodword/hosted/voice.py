"""How a campaign speaks on its pages: in which language, with whose words, and what it promises in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from msgspec import Struct

from goodword.core.campaign import Document
from goodword.core.money import exponent
from goodword.core.page import Pages, PageTexts, is_right_to_left, preferred
from goodword.core.reward import UNITS, RewardTerms, Role, valued
from goodword.core.times import Millis

BROUGHT = ("en", "de", "es", "fr")
"""Languages that Goodword brings words in; others are the document's."""
FALLBACK = "en"


@lru_cache(maxsize=len(BROUGHT))
def words_of(language: str) -> Mapping[str, str]:
    """The pages' own words in a language that is brought."""
    found: dict[str, str] = tomllib.loads(resources.files("goodword.hosted").joinpath("words", f"{language}.toml").read_text("utf-8"))
    return found


class Voice(Struct, frozen=True):
    """A document's pages in one language. `currency` is the account's, for amounts that name none."""

    document: Document
    language: str
    locale: Locale
    words: Mapping[str, str]
    texts: PageTexts
    currency: str
    advocate: str = ""
    """The advocate's first name, where it may be said."""

    @property
    def pages(self) -> Pages:
        """How the pages look."""
        return self.document.pages

    @property
    def direction(self) -> str:
        """The `dir` of the page."""
        return "rtl" if is_right_to_left(self.language) else "ltr"

    def word(self, name: str, **values: object) -> str:
        """One of the pages' own words, filled in."""
        text = self.words[name]
        for placeholder, value in values.items():
            text = text.replace("{" + placeholder + "}", str(value))
        return text

    def filled(self, text: str) -> str:
        """A brand's own text with its placeholders filled in; one that is not known is left as it stands."""
        said = {
            "friend_reward": self.promise("friend") or self.word("a_reward"),
            "advocate_reward": self.promise("advocate") or self.word("a_reward"),
            "advocate": self.advocate or self.word("a_friend"),
        }
        for placeholder, value in said.items():
            text = text.replace("{" + placeholder + "}", value)
        return text

    # -- what is promised ----------------------------------------------------------------------------------------------------------

    def promise(self, role: Role) -> str:
        """What the first reward for a role is worth, in words; empty where there is none for it."""
        terms = self._first(role)
        return self.worth(terms) if terms is not None else ""

    def _first(self, role: Role) -> RewardTerms | None:
        suppliers = {supplier.id: supplier for supplier in self.document.suppliers}
        mine = [valued(terms, suppliers.get(terms.supplier)) for terms in self.document.rewards if terms.to == role]
        return next((terms for terms in mine if terms.on == "outcome"), mine[0] if mine else None)

    def worth(self, terms: RewardTerms) -> str:
        """What a reward is worth, in words."""
        value = terms.value
        if value.percent is not None:
            return self.word("percent_back", number=self.number(Decimal(value.percent)))
        if value.amount is not None:
            return self.amount(Decimal(value.amount), value.unit)
        return self.word("a_reward")

    def amount(self, value: Decimal, unit: str) -> str:
        """So much of a unit: `€20`, `10 points`. Whole sums of money are said without cents."""
        if unit == "POINTS":
            return self.word("point" if value == 1 else "points", number=self.number(value))
        if unit == "MONTH":
            return self.word("month" if value == 1 else "months", number=self.number(value))
        if unit == "PERCENT_OFF":
            return self.word("percent_off", number=self.number(value))
        if value != value.to_integral_value():
            return format_currency(value, unit, locale=self.locale)
        pattern = copy(self.locale.currency_formats["standard"])
        pattern.frac_prec = (0, 0)
        return str(pattern.apply(value, self.locale, currency=unit, currency_digits=False))

    def minor(self, value: int, unit: str) -> str:
        """So many hundredths, or minor units of a currency, as `amount` says it."""
        return self.amount(Decimal(value).scaleb(-(2 if unit in UNITS else exponent(unit))), unit)

    def number(self, value: Decimal | int) -> str:
        """A number as the language writes it."""
        return format_decimal(value, locale=self.locale)

    def date(self, at: Millis) -> str:
        """A day, in UTC."""
        return format_date(datetime.fromtimestamp(at / 1000, UTC).date(), "long", locale=self.locale)

    # -- what the share page says --------------------------------------------------------------------------------------------------

    @property
    def headline(self) -> str:
        """The share page's headline: giving comes first."""
        if self.texts.headline:
            return self.filled(self.texts.headline)
        friend, advocate = self.promise("friend"), self.promise("advocate")
        name = "headline_both" if friend and advocate else "headline_friend" if friend else "headline_advocate" if advocate else ""
        return self.word(name, friend_reward=friend, advocate_reward=advocate) if name else self.word("headline_plain")

    @property
    def condition(self) -> str:
        """The one condition that people should know, or empty."""
        if self.texts.condition:
            return self.filled(self.texts.condition)
        terms = self._first("friend") or self._first("advocate")
        least = terms.rules.value_min if terms is not None else None
        if terms is None or least is None:
            return ""
        unit = self.currency if terms.value.unit in UNITS else terms.value.unit
        return self.word("condition_min", amount=self.amount(Decimal(least), unit))

    @property
    def steps(self) -> list[str]:
        """How it works."""
        if self.texts.steps:
            return [self.filled(step) for step in self.texts.steps]
        friend, advocate = self.promise("friend"), self.promise("advocate")
        last = "step_3" if bool(friend) == bool(advocate) else "step_3_friend" if friend else "step_3_advocate"
        return [self.word(name) for name in ("step_1", "step_2", last)]

    @property
    def message(self) -> str:
        """The text proposed to advocates, without the link."""
        share = self.document.share
        return self.filled(self.texts.message or (share.message if share is not None else "") or self.word("message"))

    @property
    def subject(self) -> str:
        """The subject of an e-mail."""
        return self.filled(self.texts.subject or self.word("subject"))

    # -- what the friend's page says -----------------------------------------------------------------------------------------------

    @property
    def friend_headline(self) -> str:
        """The friend page's headline."""
        if self.texts.friend_headline:
            return self.filled(self.texts.friend_headline)
        reward = self.promise("friend")
        name = ("friend_headline" if reward else "friend_headline_plain") + ("_from" if self.advocate else "")
        return self.word(name, friend_reward=reward, advocate=self.advocate)

    @property
    def friend_text(self) -> str:
        """The line below it."""
        return self.filled(self.texts.friend_text or self.word("friend_text"))

    @property
    def friend_button(self) -> str:
        """What the one button says."""
        return self.filled(self.texts.friend_button or self.word("friend_button"))

    @property
    def terms(self) -> str:
        """The small print, or empty."""
        return self.filled(self.texts.terms)


def voice_of(document: Document, accepts: str, currency: str, advocate: str = "") -> Voice:
    """The voice of a document for a reader, by their Accept-Language. Without a document in a language, its own default is spoken."""
    pages = document.pages
    offered = list(dict.fromkeys((*pages.texts, pages.language, *(BROUGHT if not pages.texts else ()))))
    language = preferred(accepts, offered, pages.language)
    texts = pages.texts.get(language, PageTexts())
    return Voice(document, language, _locale(language), _words(language) | texts.words, texts, currency, advocate)


def plain_voice(accepts: str) -> Voice:
    """The voice of pages that belong to no campaign."""
    return voice_of(Document("", ""), accepts, "USD")


def _words(language: str) -> dict[str, str]:
    brought = language.partition("-")[0]
    return {**words_of(FALLBACK), **(words_of(brought) if brought in BROUGHT else {})}


def _locale(language: str) -> Locale:
    for name in (language.replace("-", "_"), language.partition("-")[0]):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale(FALLBACK)
