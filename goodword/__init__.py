"""Goodword: the open, self-hosted referral platform behind a customer data platform.

The path of one message, file by file:

1. `api/destination.py` or `api/tracking.py` takes the request, `api/auth.py` says whose key it is, `api/intake.py` makes commands of it.
2. `core/message.py` reads the bytes into a Message, `core/event.py` understands it in the account's terms.
3. `engine.py` waits for its neighbours, `storage/load.py` loads what the group needs to know.
4. `core/decide.py` decides: rows and an outcome, with `core/profile.py` for identity.
5. `storage/save.py` writes the rows of the whole group in one commit; only then the request is answered.
"""

__version__ = "0.1.0"
