"""Fields of a query or of a form as a browser sends them; of a name that is there twice the first counts."""

from __future__ import annotations

from urllib.parse import parse_qsl

FORM_BYTES_MAX = 16 * 1024
FIELDS_MAX = 20


def fields_of(encoded: bytes) -> dict[str, str]:
    """The fields, decoded; nothing where there are too many to be ours."""
    try:
        pairs = parse_qsl(encoded.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="replace")
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
