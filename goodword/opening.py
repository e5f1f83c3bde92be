"""Opens an installation's store as the environment says. Apart from `bootstrap`, so that a command need not load a whole server."""

from __future__ import annotations

from pathlib import Path

import disposable_email_domains

from goodword import config
from goodword.storage.keys import parse_master
from goodword.storage.store import Store


def open_store(directory: Path, *, readonly: bool = False) -> Store:
    """The store of a data folder, with the master key from where the environment says."""
    text = config.master_text()
    master = parse_master(text) if text else None
    disposable = frozenset() if readonly else frozenset(disposable_email_domains.blocklist)
    return Store(
        directory,
        master=master,
        readonly=readonly,
        keys_in=config.keys_folder(),
        disposable_domains=disposable,
        url=config.read("GOODWORD_DATABASE_URL") or None,
        keys_url=config.read("GOODWORD_KEYS_URL") or None,
    )
