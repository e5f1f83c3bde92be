"""A document as fields of a form and back: comments stay, what is emptied falls back to its default, what cannot be read is left alone."""

from __future__ import annotations

import pytest

from goodword.core.campaign_schema import Problem
from goodword.document import template
from goodword.document.form import length, read_fields, with_fields, without
from goodword.document.text import examine

TEXT = template.template("refer-a-friend") or ""


def test_fields_are_what_the_text_says_else_the_default() -> None:
    paths = ["share.destination", "share.landing", "attribution.window_days", "rewards[0].value.amount", "rewards[0].rules.value_min"]
    paths += ["pages.shows_names", "rewards[0].rules.email", "rewards[1].rules.allow_reverse", "pages.texts.en.headline", "no.path"]
    expected = ["https://example.com/", "destination", "365", "10", "", "", "", "", "", ""]
    assert read_fields(TEXT, paths) == dict(zip(paths, expected, strict=True))
    assert (length(TEXT, "rewards"), length(TEXT, "budgets"), length(TEXT, "name")) == (2, 0, 0)


def test_what_is_set_is_set_and_comments_stay() -> None:
    changes = {"share.destination": "https://shop.example/", "rewards[0].value.amount": "25.50", "pages.shows_names": "on"}
    changes |= {"quality.too_quick.action": "off", "schedule.start": "2027-01-01", "budgets[0].value_max": "9", "budgets[0].unit": "EUR"}
    text = with_fields(TEXT, changes)
    assert isinstance(text, str)
    assert "# <- your page" in text
    document = examine(text).document
    assert document is not None
    assert document.share is not None
    assert document.share.destination == "https://shop.example/"
    assert document.rewards[0].value.amount == "25.5"
    assert document.pages.shows_names
    assert document.quality.too_quick.action == "off"
    assert document.schedule.start == "2027-01-01"
    assert (document.budgets[0].value_max, document.budgets[0].unit) == ("9", "EUR")
    assert read_fields(text, changes) == changes | {"rewards[0].value.amount": "25.5"}


def test_what_is_emptied_is_as_by_default_and_a_box_that_is_not_ticked_is_false() -> None:
    text = with_fields(TEXT, {"share.title": "", "rewards[0].rules.once": "", "rewards[0].rules.email": "", "name": "", "schedule.end": ""})
    assert isinstance(text, str)
    document = examine(text).document
    assert document is not None
    assert document.share is not None
    assert (document.share.title, document.name, document.rewards[0].rules.once) == ("", "", "relationship")
    assert document.rewards[0].rules.email is False
    assert with_fields(text, {"rewards[0].rules.email": "on"}) != text


def test_an_entry_is_taken_out() -> None:
    text = without(TEXT, "rewards[0]")
    document = examine(text).document
    assert document is not None
    assert [terms.name for terms in document.rewards] == ["friend"]
    assert without(TEXT, "rewards[7]").count("- name:") == 2
    assert examine(without(TEXT, "no.such.path")).document == examine(TEXT).document


@pytest.mark.parametrize("text", ["", "a: [", "just words", "- a\n- b", "a: &a [*a]", "x" * 70_000])
def test_a_text_that_cannot_be_read_is_left_alone(text: str) -> None:
    assert read_fields(text, ["name"]) is None
    assert isinstance(with_fields(text, {"name": "x"}), Problem)
    assert without(text, "rewards[0]") == text


def test_a_value_that_no_place_takes_is_a_problem() -> None:
    assert isinstance(with_fields(TEXT, {"no.such.path": "x"}), Problem)
    assert isinstance(with_fields(TEXT, {"attribution.window_days": "[1"}), Problem)
