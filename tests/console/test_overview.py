"""The overview and the reports as pages: what they show of a season, of nothing, and to whom."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from goodword.api.auth import hash_secret
from goodword.cli.connection import account_number, engine_of
from goodword.console.chart import Chart, Series
from goodword.console.overview import steps
from goodword.console.picture import draw
from goodword.console.session import new_token
from goodword.console.words import ENGLISH
from goodword.core import command as c
from goodword.core.console import Role, Session, User
from goodword.core.period import day_of, read_day, start_of, write_day
from goodword.core.report import REPORTS, Figures
from goodword.core.report_file import FORMATS
from goodword.core.reward import Supplier
from goodword.engine import wall_clock_ms
from goodword.storage.query import attention
from goodword.storage.query import reward as rewards
from tests.referral.test_reports import DAYS, season
from tests.referral.town import DAY, REFER_A_FRIEND, Town
from tests.running import Answer, Server

DOCUMENT = {**REFER_A_FRIEND, "name": "<b>Bring</b> a friend"}
Get = Callable[..., Answer]


def signed_in(server: Server, role: Role, account: str = "default") -> str:
    """The token of a new user's session."""
    token, now = new_token(), wall_clock_ms()
    with engine_of(server.data) as engine:
        number = account_number(engine, account)
        user = User(uuid.uuid4().hex, number, f"{uuid.uuid4().hex}@shop.example", role, now)
        done = engine.execute([c.PutUser(number, user), c.SignIn(number, Session(hash_secret(token), number, user.id, now, now))])
    assert {outcome.verdict for outcome in done} == {"done"}
    return token


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Asks for a page as a user of some role, on a server with a season of a program that ended a day ago."""
    data: Path = tmp_path_factory.mktemp("overview") / "data"
    town = Town(data, None)
    town.now = wall_clock_ms() - DAYS * DAY - DAY
    town.launch(DOCUMENT)
    season(town)
    town.close()
    with Server(data) as server:
        tokens: dict[tuple[Role, str], str] = {}

        def ask(path: str, role: Role = "marketer", account: str = "default") -> Answer:
            token = tokens.setdefault((role, account), "") or signed_in(server, role, account)
            tokens[role, account] = token
            return server.request("GET", f"/console{path}", None, {"Cookie": f"goodword_session={token}"})

        yield ask


def text(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.body.decode())).split())


def charts(answer: Answer) -> dict[str, list[float]]:
    """What the charts of a page draw, by the names of their lines."""
    found = [json.loads(unescape(each)) for each in re.findall(r'data-chart="([^"]*)"', answer.body.decode())]
    return {line["name"]: line["values"] for chart in found for line in chart["series"]}


def rows(get: Get, name: str, **said: str) -> list[dict[str, str | int]]:
    asked = "&".join(f"{key.strip('_')}={value}" for key, value in {"format": "JSON", **said}.items())
    found: list[dict[str, str | int]] = get(f"/reports/{name}/file?{asked}").json
    return found


# -- the overview ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", ["7", "30", "90", "365"])
def test_the_funnel_is_what_the_reports_say(get: Get, days: str) -> None:
    today = day_of(wall_clock_ms())
    first = start_of("MONTH", today - 335) if days == "365" else today - int(days) + 1
    asked = {"from_": write_day(first), "to": write_day(today), "period": "DAY"}
    expected = rows(get, "funnel", **asked)
    answer = get(f"/overview?days={days}")
    shown = re.findall(r"<li>\s*<span class=\"muted\">([\w-]+)</span>\s*<b>([\d,]+)</b>", answer.body.decode())
    counted = {name: int(count.replace(",", "")) for name, count in shown}
    sums = {name: sum(int(row[name]) for row in expected) for name in ("shares", "clicks", "sign_ups", "conversions", "rewards")}
    assert list(counted.values())[1:] == list(sums.values())
    assert list(counted) == ["Advocates", "Shares", "Clicks", "Sign-ups", "Conversions", "Rewards"]
    assert sum(charts(answer)["Conversions"]) == sums["conversions"]


def test_high_quality_alone_counts_less_and_divides_by_high_quality(get: Get) -> None:
    every, high = charts(get("/overview?days=90")), charts(get("/overview?days=90&quality=high"))
    assert sum(high["Conversions"]) < sum(every["Conversions"])
    assert all(few <= many for few, many in zip(high["Conversions"], every["Conversions"], strict=True))


def test_each_chart_has_its_sums_in_words_and_a_table(get: Get) -> None:
    answer = get("/overview?days=90")
    body = answer.body.decode()
    assert body.count("data-chart=") == body.count("<figure") == body.count("<summary>Table</summary>") >= 4
    assert f"Conversions {sum(charts(answer)['Conversions']):g}" in text(answer)


def test_what_needs_attention_comes_first(get: Get) -> None:
    """In the season a browser said some orders, which wait."""
    shown = text(get("/overview"))
    assert re.search(r"\d+ events? waits? for somebody to decide", shown)


def test_a_campaigns_name_is_text(get: Get) -> None:
    body = get("/overview?days=90").body.decode()
    assert "&lt;b&gt;Bring&lt;/b&gt; a friend" in body
    assert "<b>Bring</b>" not in body


def test_a_filter_narrows_and_never_adds(get: Get) -> None:
    assert charts(get("/overview?days=90&campaign=refer-a-friend")) == charts(get("/overview?days=90"))
    assert get("/overview?campaign=nonsense").status == 404
    assert charts(get("/overview?days=nonsense")) == charts(get("/overview?days=30"))


def test_of_a_deleted_advocate_nothing_but_that_is_shown(get: Get) -> None:
    """Law 4."""
    shown = text(get("/overview?days=90"))
    assert "Deleted person" in shown
    assert "adv5" not in shown


def test_another_account_is_told_how_to_begin(get: Get) -> None:
    """Law 8."""
    shown = text(get("/overview", account="other"))
    assert "No campaign yet" in shown
    assert "adv" not in re.sub(r"[Aa]dvocate", "", shown)


def test_support_sees_the_overview_and_no_reports(get: Get) -> None:
    body = get("/overview", role="support").body.decode()
    assert 'href="/console/reports"' not in body
    for path in ("/reports", "/reports/funnel", "/reports/funnel/file", "/reports/funnel/picture.svg"):
        assert get(path, role="support").status == 403


# -- reports ---------------------------------------------------------------------------------------------------------


def test_every_report_is_found_from_the_list_and_shows_its_columns(get: Get) -> None:
    body = get("/reports").body.decode()
    assert sorted(re.findall(r'href="/console/reports/([a-z-]+)"', body)) == sorted(REPORTS)
    for name, report in REPORTS.items():
        shown = get(f"/reports/{name}")
        assert all(unescape(column.meaning) in unescape(shown.body.decode()) for column in report.columns)
        assert shown.status == 200


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_has_all_of_it(get: Get, format: str) -> None:
    answer = get(f"/reports/friend-conversions/file?format={format}&from={write_day(day_of(wall_clock_ms()) - 90)}")
    assert answer.status == 200
    assert answer.body.count(b"refer-a-friend") == 2 * len(rows(get, "friend-conversions", from_=write_day(day_of(wall_clock_ms()) - 90)))
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_picture_stands_by_itself(get: Get) -> None:
    answer = get("/reports/funnel/picture.svg?save=1")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    drawn = ElementTree.fromstring(answer.body)
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 5
    assert get("/reports/rewards/picture.svg").status == 404


def test_what_cannot_be_read_is_said_and_kept(get: Get) -> None:
    answer = get("/reports/funnel?from=soon&to=2026-01-31")
    assert answer.status == 422
    assert b"A day is written as 2026-01-31." in answer.body
    assert b'value="soon"' in answer.body
    for path in ("/reports/funnel/file?from=soon", "/reports/funnel/file?format=XLSX", "/reports/funnel/picture.svg?from=soon"):
        assert get(path).status == 422
    assert get("/reports/nonsense").status == 404


def test_days_without_anything_say_so(get: Get) -> None:
    shown = text(get("/reports/friend-conversions?from=2020-01-01&to=2020-02-01"))
    assert "Nothing in these days" in shown


# -- parts -----------------------------------------------------------------------------------------------------------


def test_a_step_says_how_it_changed_and_what_it_is_a_rate_of() -> None:
    now, before = Figures(clicks=40, clicks_high=20, conversions=10, conversions_high=8), Figures(conversions=5, conversions_high=16)
    shown = {step["name"]: step for step in steps(now, before, "all")}
    assert (shown["conversions"]["rate"], shown["conversions"]["change"]) == (0.25, 1.0)
    assert (shown["clicks"]["rate"], shown["clicks"]["change"]) == (None, None)
    high = {step["name"]: step for step in steps(now, before, "high")}
    assert (high["conversions"]["rate"], high["conversions"]["change"]) == (0.4, -0.5)


def test_a_chart_says_what_it_draws() -> None:
    chart = Chart("x", "X", "MONTH", [read_day("2026-01-01") or 0], [Series("Cost", [1050], "USD"), Series("Given", [1050], "POINTS")])
    assert chart.rows(ENGLISH) == [("2026-01", ["$10.50", "10.5 points"])]
    assert chart.totals(ENGLISH) == [("Cost", "$10.50"), ("Given", "10.5 points")]
    assert json.loads(chart.data())["series"][0] == {"name": "Cost", "digits": 2, "values": [10.5]}
    assert not chart.is_empty
    assert Chart("x", "X", "DAY", [1], [Series("No", [0])]).is_empty


@pytest.mark.parametrize("values", [[0, 0], [1], [3, 7, 2], list(range(60)), [10**9, 5]])
def test_a_picture_holds_its_lines_and_escapes_its_words(values: list[int]) -> None:
    drawn = draw(Chart("x", "<X> & Y", "DAY", list(range(len(values))), [Series("A<b>", values), Series("B", values, "USD")]), "from & to")
    root = ElementTree.fromstring(drawn)
    lines = [line.attrib for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len({line["stroke-dasharray"] for line in lines}) == len({line["stroke"] for line in lines}) == 2
    points = [tuple(map(float, pair.split(","))) for line in lines for pair in line["points"].split()]
    assert all(72 <= x <= 936 and 84 <= y <= 376.1 for x, y in points)
    assert "<X>" not in drawn


def test_what_needs_attention_is_found(tmp_path: Path) -> None:
    """A pool that runs low, a reward that could not be given, messages that were refused."""
    town = Town(tmp_path, None)
    assert attention.matters(town.store, 1, town.now) == []
    pool = Supplier("spring", "COUPON_POOL", low_balance=2)
    town.say_all([c.PutSupplier(1, pool), c.AddCoupons(1, "spring", 1, ("A", "B", "C"), "bea")])
    assert attention.matters(town.store, 1, town.now) == []
    ada = town.person("ada", "ada@mail.example")
    for _ in range(4):
        town.say_all([c.GrantReward(1, ada, "bea", "late", supplier="spring", value=100, unit="POINTS")])
    town.say_all([c.Refuse(1, "m", "track", "missing_event_name", "why")])
    found = {matter.concern: matter.count for matter in attention.matters(town.store, 1, town.now)}
    assert found == {"pool_low": 0, "rewards_failed": 1, "messages_refused": 1}
    town.say_all([c.PutSupplier(1, Supplier("gifts", "CUSTOM_REWARD", name="Gifts", overdue_days=2))])
    town.say_all([c.GrantReward(1, ada, "bea", "late", supplier="gifts", value=100, unit="POINTS")])
    assert "rewards_overdue" not in {matter.concern for matter in attention.matters(town.store, 1, town.now)}
    town.passes(2 * DAY)
    assert rewards.due(town.store, 1, town.now, 10) == [reward.id for reward in town.rewards() if reward.supplier == "gifts"]
    late = [matter for matter in attention.matters(town.store, 1, town.now) if matter.concern == "rewards_overdue"]
    assert [(matter.count, matter.subject, matter.name) for matter in late] == [(1, "gifts", "Gifts")]
    assert "messages_refused" not in {matter.concern for matter in attention.matters(town.store, 1, town.now)}
    assert attention.matters(town.store, 2, town.now) == []
    town.close()
