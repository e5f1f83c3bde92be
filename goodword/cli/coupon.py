"""`goodword coupon`: codes into a supplier's pool, and how many are left."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from goodword.cli.account import Json
from goodword.cli.connection import AccountId, Data, account_in, engine_of, fail, failing_clearly, folder, patiently, reader_of
from goodword.cli.progress import Report, progress
from goodword.core.audit import pool_changed
from goodword.core.command import AddCoupons, Asked, Command, PutSupplier
from goodword.core.coupon_file import read_rows
from goodword.core.reward import BUILT_IN, COUPONS_PER_COMMAND, Supplier
from goodword.engine import wall_clock_ms
from goodword.storage.coupon_order import windows
from goodword.storage.query import reward as rewards
from goodword.storage.store import Store

cli = typer.Typer(help="Coupons: pools of codes.", no_args_is_help=True)
PROBLEMS_SHOWN_MAX = 100
BY = "command line"

SupplierId = Annotated[str, typer.Argument(help="The supplier whose pool it is.")]


class _Upload:
    """One upload, as it goes on."""

    def __init__(self, file: BinaryIO, size: int, report: Report) -> None:
        self.file, self.size, self.report = file, max(size, 1), report
        self.id = (wall_clock_ms() << 20) | secrets.randbits(20)
        self.added, self.unread = 0, 0
        self.problems: list[tuple[int, str]] = []

    def rows(self) -> Iterator[tuple[int, str]]:
        """Rows that are codes; the others are noted."""
        for number, code, why in read_rows(self.file):
            if why:
                self.unread += 1
                self.problems.append((number, why))
            else:
                yield number, code

    def took(self, chunk: list[tuple[int, str]], said: dict[str, Any]) -> None:
        """Note what became of a chunk."""
        self.added += said["added"]
        self.problems.extend((chunk[place][0], why) for place, why in said["refused"])
        self.report(self.file.tell(), self.size, f"{self.added:,} codes")


@cli.command("upload")
def upload(
    supplier: SupplierId,
    file: Annotated[Path, typer.Argument(help="CSV, one code a line, a header if you like.", exists=True, dir_okay=False, readable=True)],
    create: Annotated[bool, typer.Option("--create", help="Make the supplier if there is none.")] = False,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add codes to a pool. Bad rows are named and the rest is loaded; the same file again adds nothing twice."""
    directory = folder(data)
    with failing_clearly(), reader_of(directory) as store:
        number = account_in(store, account).number
        found = (store.suppliers.get(number) or BUILT_IN).get(supplier)
        commands: list[Command] = []
        if found is None and create:
            commands.append(PutSupplier(number, Supplier(supplier, "COUPON_POOL")))
        elif found is None or found.type != "COUPON_POOL":
            fail(f"`{supplier}` is no supplier of type COUPON_POOL. Make one with --create, or in a campaign's `suppliers`.")
        with engine_of(directory) as engine, file.open("rb") as opened, progress("coupons") as report:

            def do(command: Asked) -> Any:
                outcome = patiently(lambda: engine.execute([command]))[0]
                if outcome.verdict == "refused":
                    fail(outcome.reason)
                return outcome.value

            for command in commands:
                do(command)
            upload = _Upload(opened, file.stat().st_size, report)
            with ThreadPoolExecutor(max_workers=1) as sending:  # the next chunk is made ready while the server has this one
                sent: tuple[list[tuple[int, str]], Future[Any]] | None = None
                for chunk in windows(store, number, upload.rows(), COUPONS_PER_COMMAND):
                    codes = tuple(code for _, code in chunk)
                    if sent is not None:
                        upload.took(sent[0], sent[1].result())
                    sent = chunk, sending.submit(do, AddCoupons(number, supplier, upload.id, codes, BY))
                if sent is not None:
                    upload.took(sent[0], sent[1].result())
            do(AddCoupons(number, supplier, upload.id, (), BY, upload.unread))
            if upload.added:
                do(pool_changed(number, "", "pool.filled", supplier, upload.added))
    _tell(upload, as_json=as_json)


def _tell(upload: _Upload, *, as_json: bool) -> None:
    upload.problems.sort()
    if as_json:
        problems = [{"row": row, "reason": why} for row, why in upload.problems]
        said = {"operation_id": str(upload.id), "added_count": upload.added, "refused_count": len(problems), "problems": problems}
        typer.echo(msgspec.json.encode(said).decode())
        return
    for row, why in upload.problems[:PROBLEMS_SHOWN_MAX]:
        typer.echo(f"row {row}: {why}", err=True)
    if len(upload.problems) > PROBLEMS_SHOWN_MAX:
        typer.echo(f"... and {len(upload.problems) - PROBLEMS_SHOWN_MAX:,} more; --json has them all", err=True)
    typer.echo(f"Added {upload.added:,} codes, refused {len(upload.problems):,} rows.")


@cli.command("stats")
def show_stats(supplier: SupplierId, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """How many codes a pool has, and what was done to it last."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = _named(store, number, supplier)
        pool = rewards.pool(store, number, supplier)
        uploads = rewards.uploads(store, number, supplier, limit=10)
    low = pool.free <= found.low_balance
    if as_json:
        said = {"total": pool.total, "free": pool.free, "issued": pool.issued, "low_balance": found.low_balance, "is_low": low}
        typer.echo(msgspec.json.encode(said).decode())
        return
    typer.echo(f"{supplier}: {pool.free:,} free, {pool.issued:,} issued, {pool.total:,} in all{'; low' if low else ''}.")
    for each in uploads:
        typer.echo(f"  {each.type} {each.added:,}, refused {each.refused:,}, by {each.by or '-'}")


def _named(store: Store, account: int, supplier: str) -> Supplier:
    found = (store.suppliers.get(account) or BUILT_IN).get(supplier)
    return found if found is not None else fail(f"There is no supplier `{supplier}`.")
