"""Settings of the process: one table of name, default and help, read from the environment. Accounts' settings are data."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from goodword.core.address import Allowed


class Setting(Struct, frozen=True):
    """One environment variable."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("GOODWORD_DATA", "./goodword-data", "Folder of the embedded database and, unless set apart, of the key store."),
    Setting(
        "GOODWORD_DATABASE_URL",
        "",
        "Where the data is in PostgreSQL: `postgresql://user@host/database`, with commas between several hosts; empty means embedded.",
    ),
    Setting("GOODWORD_KEYS_URL", "", "The PostgreSQL database of the key store; empty means the same, in its schema `goodword_keys`."),
    Setting("GOODWORD_HOST", "127.0.0.1", "Address to listen on."),
    Setting("GOODWORD_PORT", "8765", "Port to listen on; 0 picks a free one."),
    Setting("GOODWORD_KEYS", "", "Folder of the key store (`keys*`); empty means the data folder."),
    Setting("GOODWORD_MASTER_KEY", "", "The master key, 32 bytes in base64; empty means the file `keys.master` in the key store's folder."),
    Setting("GOODWORD_MASTER_KEY_FILE", "", "A file that holds the master key; used when GOODWORD_MASTER_KEY is empty."),
    Setting("GOODWORD_LOG", "info", "Least level of log lines: debug, info, warning or error."),
    Setting("GOODWORD_LOG_FORMAT", "text", "`text` for people, `json` for machines."),
    Setting("GOODWORD_PUBLIC_URL", "", "What share links begin with, such as https://go.example.com; empty means where a request came to."),
    Setting("GOODWORD_TRUSTED_PROXIES", "127.0.0.0/8, ::1", "Proxies whose X-Forwarded headers are believed: addresses or networks."),
    Setting("GOODWORD_GEOIP", "", "A country database in MaxMind's format (.mmdb); empty means that countries are unknown."),
    Setting(
        "GOODWORD_WEBHOOK_ALLOW",
        "",
        "Hosts and networks that webhooks may go to although they are private, with commas between; plain http is for these alone.",
    ),
    Setting("GOODWORD_MESSAGES_KEPT", "10000", "Refused, dropped and repeated messages kept in the message log, per account."),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


def read(name: str) -> str:
    """A setting's value: the environment's, else the default. Errors: KeyError for a name that is not in the table."""
    default = _DEFAULTS[name]
    return os.environ.get(name) or default


def data_folder(given: str | None = None) -> Path:
    """The data folder: as given on the command line, else as set."""
    return Path(given or read("GOODWORD_DATA"))


def webhook_allow() -> Allowed:
    """Where webhooks may go besides the public Internet. Errors: OSError, with what is wrong."""
    try:
        return Allowed.of(read("GOODWORD_WEBHOOK_ALLOW"))
    except ValueError as error:
        raise OSError(f"GOODWORD_WEBHOOK_ALLOW: {error}") from None


def keys_folder() -> Path | None:
    """Where the key store is, if not in the data folder."""
    folder = read("GOODWORD_KEYS")
    return Path(folder) if folder else None


def master_text() -> str | None:
    """The master key's text, if it comes from the environment or a file of its own."""
    text = read("GOODWORD_MASTER_KEY")
    if not text and (file := read("GOODWORD_MASTER_KEY_FILE")):
        text = Path(file).read_text()
    return text.strip() or None
