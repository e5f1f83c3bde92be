"""`goodword endpoint` and `goodword delivery`: receivers of webhooks, ways back to a CDP, and what was sent to them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from goodword.api.intake import new_id
from goodword.api.server.webhook import RESENT_A_COMMAND, new_signing_secret, shown, takes_http
from goodword.cli.account import Json
from goodword.cli.connection import (
    AccountId,
    Data,
    account_in,
    account_number,
    engine_of,
    fail,
    failing_clearly,
    folder,
    reader_of,
    time_of,
)
from goodword.cli.progress import table_console
from goodword.core.command import PutEndpoint, Redeliver, TestEndpoint
from goodword.core.delivery import RETRY_S, DeliveryState, Endpoint
from goodword.core.source import batch_url
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms
from goodword.storage.query import delivery as outbox
from goodword.storage.store import Store

TESTED_WITHIN_S = 20.0
POLL_S = 0.1

cli = typer.Typer(help="Receivers of webhooks, and ways back to a CDP.", no_args_is_help=True)
delivery_cli = typer.Typer(help="What was sent to receivers, and what is owed to them.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(help="The endpoint's id or name.")]


@cli.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where to; https. For --kind segment it may be `-`, Segment's own address.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    event: Annotated[list[str] | None, typer.Option(help="Event type; may be given more than once. All, if none is.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only rewards that come into this state.")] = None,
    supplier: Annotated[list[str] | None, typer.Option(help="Only rewards of this supplier.")] = None,
    supplier_tag: Annotated[list[str] | None, typer.Option(help="Only rewards of suppliers with this tag.")] = None,
    campaign: Annotated[list[str] | None, typer.Option(help="Only what concerns this campaign.")] = None,
    signature: Annotated[
        Literal["standard", "hmac_sha256"], typer.Option(help="Standard Webhooks, or X-Extole-Signature over the body.")
    ] = "standard",
    kind: Annotated[Literal["webhook", "segment", "rudderstack"], typer.Option(help="Events as they are, or calls of a CDP.")] = "webhook",
    secret: Annotated[str, typer.Option(help="Signing secret, made when left out; the write key for a CDP.")] = "",
    retry: Annotated[list[int] | None, typer.Option(help="Seconds to wait after a failure; one for each retry.")] = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Add an endpoint. Prints its signing secret, alone, on standard output; it cannot be shown again."""
    url = "" if url == "-" else url
    made = secret or (new_signing_secret(signature) if kind == "webhook" else "")
    endpoint = Endpoint(
        new_id(), batch_url(kind, url), made, kind, name, signature=signature, event_types=event or [], states=state or [],
        suppliers=supplier or [], supplier_tags=supplier_tag or [], campaigns=campaign or [], retry_s=retry or list(RETRY_S),
    )  # fmt: skip
    with failing_clearly(), engine_of(folder(data)) as engine:
        number = account_number(engine, account)
        outcome = engine.execute([PutEndpoint(number, endpoint, takes_http=takes_http(endpoint.url))])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    if kind == "webhook" and not secret:
        typer.echo(made)
    typer.echo(f"Added endpoint {endpoint.id}.", err=True)


@cli.command("list")
def list_endpoints(account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List an account's endpoints: how each does, and how much it is owed."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = [shown(store, number, each) for each in _sorted(store, number)]
    if as_json:
        _print(found)
        return
    table = Table("id", "name", "kind", "url", "state", "failing since", "last success", "waiting", "dead", box=None)
    for each in found:
        table.add_row(
            each.id, each.name, each.kind, each.url, each.state, each.failing_since or "-", each.last_success_at or "-",
            str(each.waiting), str(each.dead),
        )  # fmt: skip
    table_console().print(table)


@cli.command("show")
def show(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Print an endpoint as JSON, without its secret."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = shown(store, number, _find(store, number, endpoint))
    _print(found)


@cli.command("pause")
def pause(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Send nothing to an endpoint. What happens meanwhile is owed to it."""
    _change(endpoint, account, data, {"paused_at": wall_clock_ms(), "paused_why": "Paused by hand."}, "Paused")


@cli.command("resume")
def resume(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Send again, beginning with what an endpoint is owed."""
    _change(endpoint, account, data, {"paused_at": None, "paused_why": "", "enabled": True}, "Resumed")


@cli.command("rotate")
def rotate(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Make a new signing secret and print it, alone, on standard output. The old one signs too for a day."""
    with failing_clearly(), reader_of(folder(data)) as store:
        found = _find(store, account_in(store, account).number, endpoint)
    if found.kind != "webhook":
        fail("A way back to a CDP signs nothing. Remove it and add it anew with another write key.", 2)
    secret = new_signing_secret(found.signature)
    _change(endpoint, account, data, {"secret": secret}, "Rotated the secret of")
    typer.echo(secret)


@cli.command("remove")
def remove(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Remove an endpoint, with what it was still owed."""
    _change(endpoint, account, data, {}, "Removed", is_deleted=True)


@cli.command("test")
def send_test(endpoint: Which, account: AccountId = "default", data: Data = None) -> None:
    """Send a test and say what came of it. The server must run: it does the sending."""
    directory = folder(data)
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            found = _find(store, number, endpoint)
        with engine_of(directory) as engine:
            outcome = engine.execute([TestEndpoint(number, found.id)])[0]
        if outcome.verdict == "refused":
            fail(outcome.reason)
        deadline = time.monotonic() + TESTED_WITHIN_S
        sent, tried = None, None
        while tried is None and time.monotonic() < deadline:
            with reader_of(directory) as store:
                sent = next(iter(outbox.deliveries(store, number, endpoint=found.id, event_id=str(outcome.value), limit=1)), None)
                tried = outbox.attempts(store, number, sent)[-1] if sent is not None and sent.attempts else None
            time.sleep(POLL_S if tried is None else 0)
    if sent is None or tried is None:
        fail("No answer yet. Is the server running? The test is sent when it is.")
    said = f"status {tried.status}" if tried.status is not None else "no answer"
    typer.echo(f"{said}{f', {tried.error}' if tried.error else ''}, {tried.millis} ms")
    if sent.state != "delivered":
        raise typer.Exit(1)


@delivery_cli.command("list")
def list_deliveries(
    endpoint: Annotated[str | None, typer.Option(help="Only this endpoint's, by id or name.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Only these.")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event type.")] = None,
    event_id: Annotated[str | None, typer.Option(help="Only this event: the `webhook-id` the receiver saw.")] = None,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first. They are kept for seven days after they were delivered or given up."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        id = _find(store, number, endpoint).id if endpoint else None
        found = outbox.deliveries(store, number, endpoint=id, state=state, event_type=event, event_id=event_id, limit=last)
    if as_json:
        _print([outbox.as_json(each) for each in found])
        return
    table = Table("id", "endpoint", "type", "event", "time", "state", "tries", "next try", box=None)
    for each in found:
        due = write_time(each.next_at) if each.next_at is not None else "-"
        table.add_row(
            str(each.id), each.endpoint, each.event_type, each.event_id, write_time(each.at), each.state, str(each.attempts), due
        )  # fmt: skip
    table_console().print(table)


@delivery_cli.command("show")
def show_delivery(
    delivery: Annotated[int, typer.Argument(help="The delivery's id.")], account: AccountId = "default", data: Data = None
) -> None:
    """Print a delivery as JSON: its body, and every try with request and answer."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = outbox.delivery(store, number, delivery) if 0 <= delivery < 1 << 62 else None
        if found is None:
            fail("There is no such delivery. They are kept for seven days after they ended.")
        endpoint = store.endpoints.get(number, {}).get(found[0].endpoint)
        said = outbox.as_json_whole(store, number, *found, endpoint)
    _print(said)


@delivery_cli.command("resend")
def resend(
    delivery: Annotated[list[int] | None, typer.Argument(help="Ids of deliveries.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="All of this endpoint, by id or name, that are in --state.")] = None,
    state: Annotated[DeliveryState, typer.Option(help="With --endpoint: those in this state.")] = "dead",
    since: Annotated[str | None, typer.Option(help="With --endpoint: those of events since this time.")] = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Send deliveries again, from the dead letters or not. A receiver tells repeats by their event id."""
    if not delivery and endpoint is None:
        fail("Say which: ids, or --endpoint.", 2)
    at = time_of(since, "--since")
    directory = folder(data)
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            ids = {id for id in delivery or [] if 0 <= id < 1 << 62 and outbox.delivery(store, number, id) is not None}
            if endpoint is not None:
                id = _find(store, number, endpoint).id
                ids |= {each.id for each in outbox.deliveries(store, number, endpoint=id, state=state, since=at, limit=outbox.IDS_MAX)}
        chosen = sorted(ids)
        with engine_of(directory) as engine:
            for start in range(0, len(chosen), RESENT_A_COMMAND):
                engine.execute([Redeliver(number, tuple(chosen[start : start + RESENT_A_COMMAND]))])
    typer.echo(f"{len(chosen)} deliveries are sent again.", err=True)


def _sorted(store: Store, account: int) -> list[Endpoint]:
    return sorted(store.endpoints.get(account, {}).values(), key=lambda each: (each.created_at, each.id))


def _find(store: Store, account: int, text: str) -> Endpoint:
    """The endpoint with this id or name."""
    endpoints = store.endpoints.get(account, {})
    named = [each for each in endpoints.values() if each.name == text]
    if text in endpoints:
        return endpoints[text]
    if len(named) == 1:
        return named[0]
    many = f"{len(named)} endpoints have this name; say which by id."
    return fail(many if named else "There is no such endpoint. See `goodword endpoint list`.")


def _change(text: str, account: str, data: Data, changes: dict[str, Any], done: str, *, is_deleted: bool = False) -> None:
    directory = folder(data)
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            endpoint = replace(_find(store, number, text), **changes)
        with engine_of(directory) as engine:
            put = PutEndpoint(number, endpoint, is_deleted=is_deleted, takes_http=endpoint.url.startswith("http:"))
            outcome = engine.execute([put])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    typer.echo(f"{done} {endpoint.name or endpoint.id}.", err=True)


def _print(said: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(said), indent=2).decode())
