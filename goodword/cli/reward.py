"""`goodword reward`: rewards listed, shown and moved, and given by hand."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from goodword.cli.account import Json
from goodword.cli.connection import (
    AccountId,
    Data,
    Email,
    UserId,
    account_in,
    engine_of,
    existing_account,
    fail,
    failing_clearly,
    folder,
    person_keys,
    reader_of,
)
from goodword.cli.progress import table_console
from goodword.core.command import Command, GrantReward, MoveReward
from goodword.core.profile import Profile
from goodword.core.reward import BUILT_IN, STATES, RewardState, read_value, write_value
from goodword.core.times import write_time
from goodword.storage.query import person as people
from goodword.storage.query import reward as rewards
from goodword.storage.query.reward import RewardFilter, StoredReward
from goodword.storage.store import Store

cli = typer.Typer(help="Rewards: what was earned, and what became of it.", no_args_is_help=True)
RewardId = Annotated[int, typer.Argument(help="The reward's id.")]
Message = Annotated[str, typer.Option("--message", help="Why, for the reward's history.")]
By = Annotated[str, typer.Option("--by", help="Who does this, for the reward's history.")]
BY = "command line"


def _as_json(found: StoredReward) -> dict[str, Any]:
    reward = found.reward
    return {
        "reward_id": str(reward.id),
        "person_id": str(found.person.id if found.person is not None else reward.profile_id),
        "state": reward.state,
        "waiting": reward.waiting,
        "name": reward.name,
        "role": reward.role,
        "campaign_id": reward.campaign,
        "reward_supplier_id": reward.supplier,
        "face_value": write_value(reward.value, reward.unit),
        "face_value_type": reward.unit,
        "partner_reward_id": reward.secret.get("partner_reward_id") or reward.secret.get("code"),
        "created_at": write_time(reward.created_at),
        "due_at": write_time(reward.due_at) if reward.due_at is not None else None,
        "expires_at": write_time(reward.expires_at) if reward.expires_at is not None else None,
    }


def _who(store: Store, account: int, user_id: str | None, email: str | None) -> Profile:
    found = list(people.find_by_keys(store, account, person_keys(user_id, email)).values())
    return found[0] if found else fail("No person has this id or address.")


@cli.command("list")
def list_all(
    state: Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")] = None,
    supplier: Annotated[list[str] | None, typer.Option("--supplier", help="Only of this supplier; may be repeated.")] = None,
    campaign: Annotated[list[str] | None, typer.Option("--campaign", help="Only of this campaign; may be repeated.")] = None,
    user_id: UserId = None,
    email: Email = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List rewards, newest first."""
    states = frozenset(each.upper() for each in state or ())
    if unknown := states - STATES:
        fail(f"--state must be of {', '.join(sorted(STATES))}, not {', '.join(sorted(unknown))}.", 2)
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        who = _who(store, number, user_id, email) if user_id or email else None
        wanted = RewardFilter(
            states=states or None,
            suppliers=frozenset(supplier) if supplier else None,
            campaigns=frozenset(campaign) if campaign else None,
            people=frozenset((who.id, *who.sources)) if who is not None else None,
        )
        found = rewards.list_of(store, number, wanted, 0, limit)
    if as_json:
        typer.echo(msgspec.json.encode([_as_json(each) for each in found]).decode())
        return
    table = Table("reward", "person", "name", "state", "value", "supplier", "campaign", "created", box=None)
    for each in found:
        said = _as_json(each)
        waits = f" ({said['waiting']})" if said["waiting"] else ""
        worth = f"{said['face_value']:g} {said['face_value_type']}"
        table.add_row(
            said["reward_id"], said["person_id"], said["name"], said["state"] + waits, worth, said["reward_supplier_id"],
            said["campaign_id"] or "-", said["created_at"],
        )  # fmt: skip
    table_console().print(table)


@cli.command("show")
def show(reward_id: RewardId, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """Show a reward, the rules it passed, and every move of it."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = rewards.find(store, number, reward_id)
        if found is None:
            fail("There is no reward with this id.")
        moves = rewards.history(store, number, found.reward)
    said = _as_json(found)
    said["rules"] = [{"rule": each.rule, "result": each.result, "why": each.why} for each in found.reward.rules]
    said["history"] = [
        {"at": write_time(each.at), "state": each.after, "success": each.is_success, "message": each.message, "by": each.by}
        for each in moves
    ]
    if as_json:
        typer.echo(msgspec.json.encode(said).decode())
        return
    for name, value in said.items():
        if not isinstance(value, list) and value not in (None, ""):
            typer.echo(f"{name}: {value}")
    for rule in said["rules"]:
        typer.echo(f"  {rule['result']} {rule['rule']}{': ' + rule['why'] if rule['why'] else ''}")
    for each in said["history"]:
        failed = "" if each["success"] else " failed"
        by = f" (by {each['by']})" if each["by"] else ""
        typer.echo(f"  {each['at']} {each['state']}{failed}{by} {each['message']}".rstrip())


def _do(data: Any, account: str, make: Any) -> Any:
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        command: Command = make(number)
        with engine_of(directory) as engine:
            outcome = engine.execute([command])[0]
        if outcome.verdict == "refused":
            fail(outcome.reason)
        with reader_of(directory) as store:
            found = rewards.find(store, number, int(outcome.value))
    if found is not None:
        typer.echo(f"{found.reward.id}: {found.reward.state}")
    return outcome.value


def _move(reward_id: int, state: RewardState, message: str, by: str, account: str, data: Any) -> None:
    _do(data, account, lambda number: MoveReward(number, reward_id, (state,), message, by))


@cli.command("cancel")
def cancel(reward_id: RewardId, message: Message = "", by: By = BY, account: AccountId = "default", data: Data = None) -> None:
    """Cancel a reward that was not fulfilled yet."""
    _move(reward_id, "CANCELED", message, by, account, data)


@cli.command("revoke")
def revoke(reward_id: RewardId, message: Message = "", by: By = BY, account: AccountId = "default", data: Data = None) -> None:
    """Revoke a reward that was fulfilled; points go back."""
    _move(reward_id, "REVOKED", message, by, account, data)


@cli.command("retry")
def retry(reward_id: RewardId, by: By = BY, account: AccountId = "default", data: Data = None) -> None:
    """Try a failed reward again."""
    _move(reward_id, "EARNED", "Tried again.", by, account, data)


@cli.command("grant")
def grant(
    note: Annotated[str, typer.Option("--note", help="Why.")],
    user_id: UserId = None,
    email: Email = None,
    campaign: Annotated[str, typer.Option("--campaign", help="A campaign that promises the reward.")] = "",
    name: Annotated[str, typer.Option("--name", help="The reward's name in the campaign.")] = "",
    supplier: Annotated[str, typer.Option("--supplier", help="A supplier, where no campaign is named.")] = "",
    value: Annotated[str | None, typer.Option("--value", help="What it is worth, as a decimal.")] = None,
    unit: Annotated[str, typer.Option("--unit", help="POINTS, PERCENT_OFF, MONTH or a currency. [default: the supplier's]")] = "",
    by: By = BY,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Give a person a reward by hand: one that a campaign promises, or a supplier's."""
    if not person_keys(user_id, email):
        fail("Say who: --user-id or --email.", 2)
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        who = _who(store, number, user_id, email)
        known = (store.suppliers.get(number) or BUILT_IN).get(supplier)
    unit = unit or (known.face_value_type if known is not None else "") or "POINTS"
    worth = read_value(value, unit) if value is not None else None
    if value is not None and worth is None:
        fail("--value must be a decimal of 0 or more.", 2)
    _do(
        data,
        account,
        lambda number: GrantReward(number, who.id, by, note, campaign, name, supplier, worth, unit if value is not None else ""),
    )
