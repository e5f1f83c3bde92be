"""How figures, money and times read, and what a form keeps of what it is sent."""

from __future__ import annotations

import pytest
from babel import Locale

from goodword.console import words
from goodword.console.form import FIELDS_MAX, Form
from goodword.console.password import BY_EMAIL, BY_PLACE, FREE_TRIES, Brake, password_problem

GERMAN = Locale("de", "DE")


@pytest.mark.parametrize(
    ("asked", "found"),
    [("de-DE,de;q=0.9", "de_DE"), ("xx, fr", "fr"), ("", "en"), ("*", "en"), ("not a language!!", "en"), ("x" * 100, "en")],
)
def test_the_first_language_that_is_known_counts(asked: str, found: str) -> None:
    assert str(words.locale_of(asked)) == found


def test_figures_are_exact_below_ten_thousand_and_say_the_exact_one_above() -> None:
    assert words.about(9_999, GERMAN) == "9.999"
    assert words.about(1_234_567) == '<span title="1,234,567">1.2M</span>'
    assert words.percent(0.1234) == "12.3%"
    assert words.percent(None) == "–"


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [(9_990, "EUR", "€99.90"), (9_990, "JPY", "¥9,990"), (-5, "USD", "-$0.05"), (None, "EUR", "–"), (5, None, "–")],
)
def test_money_has_the_digits_of_its_currency(amount: int | None, currency: str | None, said: str) -> None:
    assert words.money(amount, currency) == said
    if amount == 9_990 and currency == "EUR":
        assert words.money(amount, currency, GERMAN) == "99,90\xa0€"


def test_a_time_is_utc_until_the_browser_knows_better() -> None:
    said = words.time(1_800_000_000_000)
    assert said.startswith('<time datetime="2027-01-15T08:00:00.000Z" data-time="minute"')
    assert said.endswith(">15 Jan 2027, 08:00 UTC</time>")
    assert words.time(None) == "–"


def test_a_form_keeps_text_without_what_breaks_a_line() -> None:
    form = Form.read(b"name=%20a%00b%0d%0ac%20&many=1&many=2&text=a%0d%0ab&long=" + b"x" * 300)
    assert form.text("name") == "abc"
    assert form.many("many") == ["1", "2"]
    assert form.lines("text") == "a\nb"
    assert form.text("nothing") == ""
    assert form.is_good
    form.text("long")
    form.text("absent", needs="Say it.")
    form.choice("name", ("x", "y"))
    assert form.errors == {"long": "This is longer than 200 characters.", "absent": "Say it.", "name": "Choose one of these."}


def test_a_form_has_an_end() -> None:
    with pytest.raises(ValueError, match="fields"):
        Form.read(b"&".join(b"a=1" for _ in range(FIELDS_MAX + 1)))


@pytest.mark.parametrize(
    ("password", "good"),
    [("short", False), ("aaaaaaaaaaaa", False), ("jane@example.com", False), ("x" * 201, False), ("four words in a row", True)],
)
def test_a_password_is_long_and_not_ones_name(password: str, good: bool) -> None:
    assert (password_problem(password, "jane@example.com") == "") is good


def test_the_brake_waits_twice_as_long_each_time_and_forgets_after_a_success() -> None:
    brake, names = Brake(), (BY_EMAIL + "x", "")
    for _ in range(FREE_TRIES[BY_EMAIL] - 1):
        brake.failed(names, 1_000)
    assert brake.wait_ms(names, 1_000) == 0
    waits = []
    for _ in range(40):
        brake.failed(names, 1_000)
        waits.append(brake.wait_ms(names, 1_000))
    assert waits[:3] == [2_000, 4_000, 8_000]
    assert waits[-1] == 15 * 60_000
    assert brake.wait_ms((BY_PLACE + "y",), 1_000) == 0
    brake.succeeded(names)
    assert brake.wait_ms(names, 1_000) == 0


def test_names_in_a_sentence_are_code_and_nothing_else_is_markup() -> None:
    said = words.marked("They earned 10 points (`<b>friend`) in `refer-a-friend`, no more ` than <i>that</i>.")
    wanted = "They earned 10 points (<code>&lt;b&gt;friend</code>) in <code>refer-a-friend</code>, no more ` than &lt;i&gt;that&lt;/i&gt;."
    assert str(said) == wanted
