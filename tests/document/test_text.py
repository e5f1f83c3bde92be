"""Documents as text: what is read, which line a problem is on, and that nothing but plain data gets in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core.campaign_schema import Problem
from goodword.document import text as texts
from goodword.document.template import about, names, template, with_values
from goodword.document.text import examine, write

GOOD = """\
campaign: raf
program: raf
schedule: {start: 2027-01-01}
share:
  destination: https://shop.example/
rewards:
  - name: advocate
    to: advocate
    on: outcome
    value: {amount: 9.90, unit: USD}
    supplier: credit
"""


def said(text: str | bytes) -> list[str]:
    checked = examine(text)
    return [checked.sentence(problem) for problem in checked.problems]


def test_yaml_and_json_say_the_same() -> None:
    checked = examine(GOOD)
    assert checked.is_good
    assert checked.document is not None
    assert checked.document.rewards[0].on == "outcome", "`on` is a word, not a yes"
    assert checked.document.schedule.start == "2027-01-01", "a date stays as written"
    raw = json.dumps(texts._yaml(GOOD).raw)
    assert examine(raw).document == checked.document
    assert examine(raw.encode("utf-8-sig")).document == checked.document
    assert examine(write(checked.document)).document == checked.document


def test_json_that_is_only_yaml_is_read_all_the_same() -> None:
    assert examine("{campaign: a, program: b}").document is not None
    assert said('{"campaign": "a", "program": ') == [
        "line 1, the document: is no YAML: expected the node content, but found '<stream end>'. Look at this line and the one before."
    ]


def test_problems_begin_with_their_line() -> None:
    text = GOOD.replace("to: advocate", "to: adv").replace("USD}", "USD}\n    xx: 1")
    assert said(text) == [
        "line 8, rewards[0].to: must be one of advocate, friend, participant. Write one of these.",
        "line 11, rewards[0].xx: is not known here. There are expires_days, name, on, pending_days, rules, supplier, to, value.",
    ]
    missing = GOOD.replace("    to: advocate\n", "")
    assert said(missing)[0].startswith("line 7, rewards[0].to: is missing"), "the nearest line around it"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("# nothing\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        ("\x00", "is no YAML"),
        ("a: [", "is no YAML"),
        ("a: \t b", "is no YAML"),
        ("a: 1\n---\nb: 2", "is no YAML"),
        ("a: &a [*a]", "contains itself, by an alias"),
        ("&a {b: *a}", "contains itself, by an alias"),
        ("a: 1\nb: {c: 1, c: 2}", "has `b.c` twice"),
        ('{"a": 1, "a": 2}', "has `a` twice in one place"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": "\\ud800"}', "holds half a character"),
        ('{"a": 1' + "0" * 5000 + "}", "holds a number that is too long"),
        ("? [a]\n: b", "has a name that is no word"),
        ("a: !!python/object/apply:os.system [x]", "has the tag"),
        ("a: !!python/name:os.system", "has the tag"),
        ("a: !mine 5", "has the tag"),
        ("[" * 3000, "is nested too deeply"),
        ("{" * 3000, "is nested too deeply"),
        ("- " * 60 + "x", "is too large or nested too deeply"),
        ("a: 1\n" * 40_000, "is larger than 64 KiB"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_plain_data_is_refused(text: str | bytes, problem: str) -> None:
    checked = examine(text)
    assert checked.document is None
    assert not checked.is_good
    assert problem in checked.sentence(checked.problems[0])
    assert len(checked.problems) == 1 or problem.startswith("has the tag")


def test_aliases_cannot_make_a_short_text_a_huge_document() -> None:
    lines = ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 9)]
    assert "is too large" in said("\n".join(lines))[0]
    assert examine("campaign: &id raf\nprogram: *id\n").is_good


def test_scalars_stay_as_they_are_written() -> None:
    raw = texts._yaml(
        "a: 0012\nb: .inf\nc: 1e5\nd: yes\ne: null\nf: 2026-01-01 10:00:00\ng: 1_000\nh: 0x1F\ni: -5\nj: 9.90\nk: true\nl: .nan\nm: 1e400\n"
        "n: '5'\no: 123456789012345678901\np: ~\nq: =\nr: <<\ns: +5\n"
    ).raw
    assert raw == {
        "a": "0012", "b": ".inf", "c": 100000.0, "d": "yes", "e": None, "f": "2026-01-01 10:00:00", "g": "1_000", "h": "0x1F", "i": -5,
        "j": 9.9, "k": True, "l": ".nan", "m": "1e400", "n": "5", "o": "123456789012345678901", "p": None, "q": "=", "r": "<<", "s": "+5",
    }  # fmt: skip


@given(st.text(max_size=200) | st.binary(max_size=200) | st.text(alphabet="ab:[]{}&*!-? \n'\"#,1.", max_size=60))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    checked = examine(text)
    assert (checked.document is not None) or checked.problems
    for problem in checked.problems:
        assert checked.sentence(problem)


# -- templates -------------------------------------------------------------------------------------------------------


def test_templates_have_names_and_say_what_they_are_for() -> None:
    assert names() == ("refer-a-friend", "refer-nth", "reward-for-action", "welcome-offer")
    assert about("refer-a-friend").startswith("Refer a friend: ")
    assert template("../../core/campaign") is None


def test_values_are_set_and_comments_stay() -> None:
    text = template("refer-a-friend") or ""
    assert with_values(text, []) is text
    changed = with_values(
        text,
        [
            ("share.destination", "https://shop.example/?a=b"),
            ("rewards[0].value.amount", "25"),
            ("rewards[2]", "{name: third, to: advocate, value: {amount: 1}}"),
            ("rewards[2].rules.limits[0].count", "3"),
            ("rewards[1].rules.email", "true"),
            ("events.outcome", "[conversion, renewed]"),
            ("schedule.start", "2027-01-01"),
            ("name", "yes"),
            ("quality.lookback.days", "30"),
            ("share.utm.utm_campaign", "spring"),
        ],
    )
    assert isinstance(changed, str)
    document = examine(changed).document
    assert document is not None
    assert document.share is not None
    assert (document.share.destination, document.share.utm["utm_campaign"]) == ("https://shop.example/?a=b", "spring")
    assert [each.name for each in document.rewards] == ["advocate", "friend", "third"]
    assert (document.rewards[0].value.amount, document.rewards[1].rules.email) == ("25", True)
    assert document.rewards[2].rules.limits[0].count == 3
    assert (document.name, document.schedule.start, document.events.outcome) == ("yes", "2027-01-01", ["conversion", "renewed"])
    assert document.quality.lookback.days == 30
    assert sum(line.count("#") for line in changed.splitlines()) == sum(line.count("#") for line in text.splitlines())


@pytest.mark.parametrize(
    ("path", "value", "fix"),
    [
        ("destination", "x", "Did you mean `share.destination`?"),
        ("rewards[9].name", "x", "The next one is [2]."),
        ("budgets[1].unit", "x", "The next one is [0]."),
        ("rewards[0].rules.nth", "[", "Put the whole of PATH=VALUE in quotes."),
    ],
)
def test_what_cannot_be_set_says_why(path: str, value: str, fix: str) -> None:
    found = with_values(template("refer-a-friend") or "", [(path, value)])
    assert isinstance(found, Problem)
    assert found.fix == fix
