"""Share links by the server API: the rules of codes, one link a key, people who race, delete, merge; acts of sharing."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.api.sharing import PROGRAM, Shop, click_id
from tests.running import Server, make_key, rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data: Path = tmp_path_factory.mktemp("shareable") / "data"
    with Server(data) as server:
        shop = Shop(server, make_key(data, Scope.ADMIN))
        shop.launch()
        yield shop


def fresh() -> str:
    return f"code-{uuid.uuid4().hex[:10]}"


def test_a_link_has_the_published_shape_and_its_address_is_the_servers(shop: Shop) -> None:
    person = shop.person()
    made = shop.link(person, key="main", content={"title": "A title"}, data={"colour": "red"})
    assert set(made) == {"code", "link", "key", "label", "content", "data", "enabled", "person_id", "created_date", "updated_date"}
    assert (made["key"], made["label"], made["person_id"], made["enabled"]) == ("main", PROGRAM, person, True)
    assert made["content"] == {"title": "A title"}
    assert made["data"] == {"colour": {"name": "colour", "value": "red"}}
    assert made["link"] == f"http://127.0.0.1:{shop.server.port}/s/{made['code']}"
    click_id(shop.follow(made["code"]))


def test_the_same_person_label_and_key_are_answered_with_the_same_link(shop: Shop) -> None:
    person = shop.person()
    first = shop.link(person, key="main")
    assert shop.link(person, key="main") == first
    assert shop.link(person) == first
    assert shop.link(person, key="main", code=first["code"].upper()) == first
    second = shop.link(person, key="second")
    assert second["code"] != first["code"]
    other = shop.link(person, key="main", label="another-program")
    assert other["code"] != first["code"]
    assert [each["code"] for each in shop.done("GET", f"/v5/persons/{person}/shareables?labels={PROGRAM}")] == [
        second["code"],
        first["code"],
    ]
    assert shop.refused("POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, "key": "main", "code": fresh()}) == (
        403,
        "shareable_key_taken",
    )


def test_each_product_gets_a_link_of_its_own(shop: Shop) -> None:
    person = shop.person()
    shoe, hat = (shop.link(person, content={"partner_content_id": each}) for each in ("shoe", "hat"))
    assert shoe["code"] != hat["code"]
    assert shop.link(person, content={"partner_content_id": "shoe"})["code"] == shoe["code"]


def test_a_vanity_code_is_found_in_any_case_and_taken_in_any_case(shop: Shop) -> None:
    code = fresh()
    person = shop.person()
    made = shop.link(person, code=code.title())
    assert made["code"] == code.title()
    assert shop.done("GET", f"/v3/shareables/{code.upper()}")["person_id"] == person
    assert shop.done("GET", f"/v5/persons/{person}/shareables/{code}") == made
    stranger = shop.person()
    assert shop.refused("POST", f"/v5/persons/{stranger}/shareables", {"label": PROGRAM, "code": code}) == (403, "code_taken")
    assert shop.refused("GET", f"/v5/persons/{stranger}/shareables/{code}") == (403, "shareable_not_found")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"code": "abc"}, 403, "code_out_of_range"),
        ({"code": ""}, 403, "code_out_of_range"),
        ({"code": "a" * 51}, 403, "code_out_of_range"),
        ({"code": "jane doe"}, 403, "code_illegal_character"),
        ({"code": "джейн"}, 403, "code_illegal_character"),
        ({"code": "jаne"}, 403, "code_illegal_character"),
        ({"code": "../../etc"}, 403, "code_illegal_character"),
        ({"code": "jane\r\nx"}, 403, "code_illegal_character"),
        ({"code": "\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00"}, 403, "code_illegal_character"),
        ({"code": "Admin-jane"}, 403, "code_contains_reserved_word"),
        ({"label": None}, 403, "label_is_missing"),
        ({"label": " "}, 403, "label_is_missing"),
        ({"label": "a b"}, 403, "label_name_contains_illegal_character"),
        ({"label": "x" * 101}, 403, "label_name_length_out_of_range"),
        ({"key": "k" * 201}, 400, "invalid_parameter"),
        ({"content": {"url": "javascript:alert(1)"}}, 403, "invalid_content_url"),
        ({"content": {"url": "https://"}}, 403, "invalid_content_url"),
        ({"content": {"url": "https://evil.example/"}}, 403, "blocked_content_url"),
        ({"content": {"url": "https://shop.example.com.evil.example/"}}, 403, "blocked_content_url"),
        ({"content": {"url": "https://evil.example\\@shop.example.com/"}}, 403, "blocked_content_url"),
        ({"content": {"url": "https://shop.example.com/" + "x" * 2_000}}, 400, "content_url_length_out_of_range"),
        ({"content": {"image_url": "ftp://x"}}, 403, "content_image_url_invalid"),
        ({"content": {"description": "x" * 2_001}}, 403, "content_description_length_exceeded"),
        ({"data": {"": "x"}}, 403, "data_attribute_name_length_out_of_range"),
        ({"data": {"n" * 201: "x"}}, 403, "data_attribute_name_length_out_of_range"),
        ({"data": {"a\nb": "x"}}, 403, "data_attribute_name_invalid"),
        ({"data": {"a": "x" * 2_001}}, 403, "data_attribute_value_length_out_of_range"),
        ({"data": {"a": "x\0"}}, 403, "data_attribute_value_invalid"),
        ({"data": {str(number): "x" for number in range(101)}}, 400, "too_much_data"),
        ({"data": {"a": 1}}, 400, "binding_error"),
    ],
)
def test_refusals_have_the_published_code_and_status(shop: Shop, said: dict[str, Any], status: int, code: str) -> None:
    person = shop.person()
    assert shop.refused("POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, **said}) == (status, code)
    assert shop.done("GET", f"/v5/persons/{person}/shareables") == []


def test_a_person_without_an_address_gets_no_link(shop: Shop) -> None:
    name = uuid.uuid4().hex
    shop.call("POST", "/v6/events", {"event_name": "seen", "data": {"partner_user_id": name}})
    person = shop.done("GET", f"/v5/persons?person_keys=partner_user_id:{name}")[0]["id"]
    assert shop.refused("POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM}) == (403, "person_not_rewardable")
    assert shop.refused("POST", "/v5/persons/999999999/shareables", {"label": PROGRAM}) == (403, "person_not_found")


@pytest.mark.parametrize(
    ("wanted", "begins"),
    [
        (["Ada"], "ada-"),
        (["admin", "Grace Hopper"], "grace-hopper-"),
        (["Ægir"], "aegir-"),
        (["Ιωάννα"], "ioanna-"),
        (["!!", "ada"], "ada-"),
    ],
)
def test_a_made_code_begins_as_is_preferred_in_ascii(shop: Shop, wanted: list[str], begins: str) -> None:
    code = shop.link(preferred_code_prefixes=wanted)["code"]
    assert code.startswith(begins)
    assert len(code) == len(begins) + 9


def test_made_codes_hold_no_name_unless_they_are_asked_to(shop: Shop) -> None:
    person = shop.person(f"zebedee.{uuid.uuid4().hex}@mail.example")
    assert "zebedee" not in shop.link(person)["code"]


def test_two_people_race_for_one_code_and_one_gets_it(shop: Shop) -> None:
    people, code = [shop.person() for _ in range(8)], fresh()
    answers: list[Any] = []

    def ask(person: str) -> None:
        answers.append(shop.call("POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, "code": code}))

    threads = [threading.Thread(target=ask, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [403] * 7
    assert {answer.json["code"] for answer in answers if answer.status == 403} == {"code_taken"}


def test_one_person_asking_at_once_gets_one_link(shop: Shop) -> None:
    person = shop.person()
    codes: list[str] = []
    threads = [threading.Thread(target=lambda: codes.append(shop.link(person, key="main")["code"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(codes)) == 1
    assert len(codes) == 8


def test_a_link_is_changed_by_what_is_given(shop: Shop) -> None:
    person = shop.person()
    code = shop.link(person, key="main", content={"title": "x"}, data={"a": "1", "b": "2"})["code"]
    path = f"/v5/persons/{person}/shareables/{code}"
    changed = shop.done("PUT", path, {"data": {"c": "3"}})
    assert (changed["content"], changed["data"]) == ({"title": "x"}, {"c": {"name": "c", "value": "3"}})
    assert shop.done("PUT", path, {"key": "moved", "content": None})["key"] == "moved"
    assert shop.done("GET", path)["content"] == {}
    assert shop.link(person, key="main")["code"] != code
    assert shop.refused("PUT", path, {"key": "main"}) == (403, "shareable_key_taken")
    assert shop.refused("PUT", f"/v5/persons/{person}/shareables/nobodys-code", {}) == (403, "shareable_not_found")
    assert shop.done("PUT", path, {"enabled": False})["enabled"] is False
    assert shop.follow(code).status == 200
    shop.done("PUT", path, {"enabled": True})
    click_id(shop.follow(code))


def test_links_are_listed_by_their_data(shop: Shop) -> None:
    person = shop.person()
    for number in (1, 2, 3):
        shop.link(person, key=f"k{number}", data={"number": str(number)} if number < 3 else {})
    path = f"/v5/persons/{person}/shareables"
    assert [each["key"] for each in shop.done("GET", path)] == ["k3", "k2", "k1"]
    assert [each["key"] for each in shop.done("GET", path + "?data_keys=number&limit=1&offset=1")] == ["k1"]
    assert [each["key"] for each in shop.done("GET", path + "?data_values=number:2")] == ["k2"]
    assert shop.refused("GET", path + "?data_values=number") == (400, "data_values_invalid")


def test_a_deleted_persons_code_stays_reserved_and_resolves_to_nobody(shop: Shop) -> None:
    email, code = f"{uuid.uuid4().hex}@mail.example", fresh()
    person = shop.person(email)
    shop.link(person, code=code)
    click_id(shop.follow(code))
    shop.done("POST", "/v4/erasures", {"email": email})
    assert shop.follow(code).status == 200
    assert shop.refused("GET", f"/v3/shareables/{code}") == (403, "shareable_not_found")
    assert shop.refused("POST", f"/v5/persons/{shop.person()}/shareables", {"label": PROGRAM, "code": code}) == (403, "code_taken")
    assert shop.refused("POST", f"/v5/persons/{shop.person(email)}/shareables", {"label": PROGRAM, "code": code}) == (403, "code_taken")


def test_a_merged_persons_link_is_the_other_persons_and_keeps_its_key(shop: Shop) -> None:
    one, other = shop.person(), shop.person()
    code = shop.link(one, key="main")["code"]
    shop.done("POST", f"/v5/persons/{one}/forward", {"forward_to_profile_id": other})
    assert shop.link(other, key="main")["code"] == code
    assert shop.done("GET", f"/v3/shareables/{code}")["person_id"] == other
    changed = shop.done("PUT", f"/v5/persons/{other}/shareables/{code}", {"data": {"a": "b"}})
    assert changed["person_id"] == other
    gw = click_id(shop.follow(code))
    assert [str(row[1]) for row in shop.clicks() if row[0] == gw] == [other]


def test_accounts_share_no_code_and_see_no_others(shop: Shop, tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        first, second = (Shop(server, make_key(tmp_path / "data", Scope.ADMIN, account=name)) for name in ("default", "other"))
        first.launch()
        second.launch(destination="https://second.example/")
        code = second.link(code="Summer-10")["code"]
        assert first.refused("POST", f"/v5/persons/{first.person()}/shareables", {"label": PROGRAM, "code": "summer-10"}) == (
            403,
            "code_taken",
        )
        assert first.refused("GET", f"/v3/shareables/{code}") == (403, "shareable_not_found")
        assert second.follow(code).headers["location"].startswith("https://second.example/?gw=")
        assert first.follow(first.link()["code"]).headers["location"].startswith("https://shop.example.com/")
        assert sorted(account for (account,) in rows(tmp_path / "data", "SELECT account_id FROM click")) == [1, 2]


def test_only_a_server_key_makes_links(shop: Shop) -> None:
    browser = make_key(shop.server.data, Scope.INGEST)
    answer = shop.call("POST", f"/v5/persons/{shop.person()}/shareables", {"label": PROGRAM}, key=browser)
    assert (answer.status, answer.json["code"]) == (403, "access_denied")


# -- acts of sharing -------------------------------------------------------------------------------------------------


def test_an_act_of_sharing_is_remembered_without_its_recipients_addresses(shop: Shop) -> None:
    person, friend = shop.person(), shop.person("friend-of-ada@mail.example")
    code = shop.link(person)["code"]
    path = f"/v5/persons/{person}/shares"
    said = {
        "channel": "email",
        "shareable_code": code.upper(),
        "recipients": ["Friend-Of-Ada@mail.example"],
        "message": "Look",
        "subject": "Hi",
    }
    one = shop.done("POST", path, {**said, "partner_id": {"name": "mail_id", "value": "m1"}, "data": {"a": "b"}})
    assert (one["channel"], one["shareable_code"], one["recipients"], one["other_person_id"]) == ("EMAIL", code, 1, friend)
    assert (one["program"], one["campaign_id"], one["message"], one["subject"]) == (PROGRAM, "raf", "Look", "Hi")
    assert (one["partner_id"], one["data"]) == ({"name": "mail_id", "value": "m1"}, {"a": {"name": "a", "value": "b"}})
    two = shop.done("POST", path, {"channel": "WHATSAPP", "label": PROGRAM})
    assert (two["recipients"], two["other_person_id"], two["partner_id"]) == (0, "", None)
    assert [each["id"] for each in shop.done("GET", path)] == [two["id"], one["id"]]
    assert shop.done("GET", f"{path}/{one['id']}") == one
    assert [each["id"] for each in shop.done("GET", path + "?partner_ids=mail_id:m1&data_keys=a")] == [one["id"]]
    assert shop.done("GET", path + "?programs=nothing") == []
    assert len(shop.done("GET", path + "?campaign_ids=raf&limit=1")) == 1
    assert shop.refused("GET", path + "?partner_ids=m1") == (400, "partner_ids_invalid")
    assert shop.refused("GET", f"{path}/{int(one['id']) + 1}") == (400, "share_not_found")
    assert shop.refused("GET", f"{path}/x") == (400, "share_not_found")
    assert shop.refused("GET", f"/v5/persons/{friend}/shares/{one['id']}") == (400, "share_not_found")
    for file in shop.server.data.glob("goodword.db*"):
        assert b"friend-of-ada" not in file.read_bytes().lower()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"channel": None}, "CHANNEL_MISSING"),
        ({"channel": "?!"}, "invalid_parameter"),
        ({"shareable_code": None}, "ADVOCATE_CODE_MISSING"),
        ({"shareable_code": "nobodys-code"}, "ADVOCATE_CODE_NOT_FOUND"),
        ({"recipients": []}, "RECIPIENTS_MISSING"),
        ({"recipients": ["a@b.example", "nobody"]}, "INVALID_RECIPIENTS"),
        ({"recipients": [f"{number}@b.example" for number in range(101)]}, "INVALID_RECIPIENT_SIZE"),
        ({"message": "x" * 2_001}, "INVALID_MESSAGE_LENGTH"),
        ({"subject": "x" * 301}, "INVALID_SUBJECT_LENGTH"),
        ({"message": "a\0b"}, "INVALID_SHARE_MESSAGE_CHARACTERS"),
        ({"subject": "a\nBcc: all@b.example"}, "INVALID_SHARE_MESSAGE_CHARACTERS"),
        ({"message": "see https://evil.example/x"}, "INVALID_SHARE_MESSAGE_LINK"),
        ({"message": "see https://[x"}, "INVALID_SHARE_MESSAGE_LINK"),
    ],
)
def test_refusals_of_shares(shop: Shop, said: dict[str, Any], code: str) -> None:
    person = shop.person()
    whole = {"channel": "EMAIL", "shareable_code": shop.link(person)["code"], "recipients": ["a@b.example"], **said}
    assert shop.refused("POST", f"/v5/persons/{person}/shares", whole) == (400, code)
    assert shop.done("GET", f"/v5/persons/{person}/shares") == []


def test_a_message_may_hold_the_link_and_pages_of_the_shop(shop: Shop) -> None:
    person = shop.person()
    link = shop.link(person)
    said = {"channel": "SMS", "label": PROGRAM, "message": f"{link['link']} and https://www.shop.example.com/hats\nbye"}
    assert shop.done("POST", f"/v5/persons/{person}/shares", said)["link"] == link["link"]
