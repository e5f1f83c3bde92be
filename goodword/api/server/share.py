"""Acts of sharing by the server API. Goodword sends no mail: it remembers whom an advocate told, so that they are recognised later."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from msgspec import Struct

from goodword.api.link import is_same_site, link_to
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed, read_id
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.shareable import ShareableData, checked_data, data_shown, live_share, read_data_values
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.profile import Profile, ProfileId, read_email
from goodword.core.referral import Share, Shareable
from goodword.core.times import write_time
from goodword.storage.query import share as links
from goodword.storage.query.referral import links_of
from goodword.storage.query.share import Shared, ShareFilter

EMAIL_CHANNELS = frozenset(("EMAIL", "EXTOLE_EMAIL"))
CHANNEL_CHARS_MAX = 50
RECIPIENTS_MAX = 100
MESSAGE_CHARS_MAX, SUBJECT_CHARS_MAX = 2_000, 300
PARTNER_ID_NAME, PARTNER_ID_VALUE = "partner_id_name", "partner_id_value"
_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class PartnerId(Struct):
    """The brand's own id of the share."""

    name: str
    value: str


class ShareAnswer(Struct):
    """An act of sharing. `recipients` is how many addresses it went to, which are kept as keyed hashes alone; `other_person_id` is the
    recipient where it went to one who is known, else empty."""

    id: str
    channel: str
    shareable_code: str
    link: str
    message: str
    subject: str
    other_person_id: str
    partner_id: PartnerId | None
    program: str
    campaign_id: str
    data: dict[str, ShareableData]
    recipients: int
    created_date: str


class ShareRequest(Struct):
    """An act of sharing: by which channel, which link (its code, or the person's latest of a label), and to whom."""

    channel: str | None = None
    shareable_code: str | None = None
    advocate_code: str | None = None
    label: str | None = None
    recipients: list[str] | None = None
    emails: list[str] | None = None
    recipient_email: str | None = None
    message: str | None = None
    subject: str | None = None
    partner_id: PartnerId | None = None
    data: dict[str, str] | None = None


def _shown(call: Call, shared: Shared) -> ShareAnswer:
    share = shared.share
    partner = share.data.get(PARTNER_ID_NAME)
    return ShareAnswer(
        str(share.id),
        share.channel,
        share.code,
        link_to(call.origin, share.code),
        share.message,
        share.subject,
        str(shared.other_id or ""),
        PartnerId(partner, share.data.get(PARTNER_ID_VALUE, "")) if partner is not None else None,
        share.program,
        share.campaign,
        data_shown({name: value for name, value in share.data.items() if name not in (PARTNER_ID_NAME, PARTNER_ID_VALUE)}),
        shared.recipients,
        write_time(share.at),
    )


async def create(call: Call) -> ShareAnswer:
    """`POST /v5/persons/{person_id}/shares`."""
    profile = call.person()
    request = call.read(ShareRequest)
    channel = _channel(request.channel)
    shareable = _shareable(call, profile, request)
    recipients = _recipients(request, channel)
    message, subject = _words(call, request, shareable)
    data = checked_data(request.data or {})
    if request.partner_id is not None:
        pair = {PARTNER_ID_NAME: request.partner_id.name, PARTNER_ID_VALUE: request.partner_id.value}
        data = {**data, **checked_data(pair)}
    now = call.intake.engine.clock()
    share = Share(0, ProfileId(profile.id), now, channel, shareable.code, "", "", recipients, message, subject, data)
    outcome = await call.ask(c.RecordShare(call.account, share))
    found = links.share(call.store, call.account, call.person(), outcome.value.id)
    return _shown(call, found or Shared(outcome.value, len(recipients)))


def _channel(said: str | None) -> str:
    channel = (said or "").strip().upper().replace(" ", "_").replace("-", "_")
    if not channel:
        raise ServerRefusal("CHANNEL_MISSING", "Say how it was shared: channel, such as EMAIL, WHATSAPP or PERSONAL_LINK.")
    if not re.fullmatch(rf"[A-Z0-9_]{{1,{CHANNEL_CHARS_MAX}}}", channel):
        words = f"channel is a word of at most {CHANNEL_CHARS_MAX} letters, digits and underscores."
        raise ServerRefusal("invalid_parameter", words, parameter="channel")
    return channel


def _shareable(call: Call, profile: Profile, request: ShareRequest) -> Shareable:
    code = request.shareable_code or request.advocate_code
    if not code and not request.label:
        raise ServerRefusal("ADVOCATE_CODE_MISSING", "Say which link was shared: shareable_code, or label for the person's latest.")
    mine = links_of(call.store, call.account, profile)
    wanted = [
        link
        for link in mine
        if (not code or link.code.casefold() == code.casefold()) and (not request.label or link.program == request.label)
    ]
    if not wanted:
        raise ServerRefusal("ADVOCATE_CODE_NOT_FOUND", "The person has no such share link.")
    return wanted[-1]


def _recipients(request: ShareRequest, channel: str) -> tuple[str, ...]:
    said = [*(request.recipients or ()), *(request.emails or ()), *([request.recipient_email] if request.recipient_email else [])]
    if not said:
        if channel in EMAIL_CHANNELS:
            raise ServerRefusal("RECIPIENTS_MISSING", "An e-mail goes to somebody: recipients.")
        return ()
    if len(said) > RECIPIENTS_MAX:
        raise ServerRefusal("INVALID_RECIPIENT_SIZE", f"One share goes to at most {RECIPIENTS_MAX} addresses.")
    emails = [read_email(text) for text in said]
    if None in emails:
        places = [place for place, email in enumerate(emails) if email is None]
        raise ServerRefusal("INVALID_RECIPIENTS", "Some recipients are no e-mail addresses; `parameters` has their places.", places=places)
    return tuple(dict.fromkeys(email for email in emails if email is not None))


def _words(call: Call, request: ShareRequest, shareable: Shareable) -> tuple[str, str]:
    message, subject = request.message or "", request.subject or ""
    if len(message) > MESSAGE_CHARS_MAX:
        raise ServerRefusal("INVALID_MESSAGE_LENGTH", f"message has at most {MESSAGE_CHARS_MAX} characters.")
    if len(subject) > SUBJECT_CHARS_MAX:
        raise ServerRefusal("INVALID_SUBJECT_LENGTH", f"subject has at most {SUBJECT_CHARS_MAX} characters.")
    if _CONTROL.search(message) or _CONTROL.search(subject) or "\n" in subject or "\r" in subject:
        raise ServerRefusal("INVALID_SHARE_MESSAGE_CHARACTERS", "message and subject have no control characters, subject is one line.")
    live = live_share(call, shareable.program)
    for url in _ADDRESS.findall(message + " " + subject):
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = None
        of_link = host is not None and host == urlsplit(call.origin).hostname
        if not of_link and (live is None or not is_same_site(url, live.destination)):
            raise ServerRefusal(
                "INVALID_SHARE_MESSAGE_LINK", "The only addresses in a message are share links and pages of the campaign's site."
            )
    return message, subject


async def list_all(call: Call) -> list[ShareAnswer]:
    """`GET /v5/persons/{person_id}/shares`: newest first."""
    profile = call.person()
    pairs = [value.partition(":") for value in call.values("partner_ids")]
    if any(not (name and colon) for name, colon, _ in pairs):
        raise ServerRefusal("partner_ids_invalid", "partner_ids are written name:value.")
    data = set(read_data_values(call))
    for name, _, value in pairs:
        data |= {(PARTNER_ID_NAME, name), (PARTNER_ID_VALUE, value)}
    wanted = ShareFilter(
        frozenset(call.values("programs")), frozenset(call.values("campaign_ids")), frozenset(call.values("data_keys")), frozenset(data)
    )
    offset, limit = call.page()
    return [_shown(call, shared) for shared in links.shares_of(call.store, call.account, profile, wanted, limit, offset)]


async def get(call: Call) -> ShareAnswer:
    """`GET /v5/persons/{person_id}/shares/{share_id}`."""
    profile = call.person()
    number = read_id(call.path["share_id"])
    found = links.share(call.store, call.account, profile, number) if number is not None else None
    if found is None:
        raise ServerRefusal("share_not_found", "The person has no share of this id.")
    return _shown(call, found)


_SHARES = "/v5/persons/{person_id}/shares"

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _SHARES, "Share links", "A person's acts of sharing, newest first", list_all, Right.READ, list[ShareAnswer],
        description="`partner_ids_invalid`, `data_values_invalid`.",
        query=(
            listed("programs", "Only those of these programs."),
            listed("campaign_ids", "Only those of these campaigns."),
            listed("partner_ids", "Only those with these ids of the brand's own, written `name:value`."),
            listed("data_keys", "Only those with data of these names."),
            listed("data_values", "Only those with these values, written `name:value`."),
            *PAGE,
        ),
    ),
    endpoint(
        "POST", _SHARES, "Share links", "Remember that a person shared a link", create, Right.READ, ShareAnswer, body=ShareRequest,
        description="No mail is sent. Recipients' addresses are kept as keyed hashes, to recognise them later; each counts as a share."
        " `CHANNEL_MISSING`; `ADVOCATE_CODE_MISSING`, `ADVOCATE_CODE_NOT_FOUND`; `RECIPIENTS_MISSING`, `INVALID_RECIPIENTS`,"
        " `INVALID_RECIPIENT_SIZE`; `INVALID_MESSAGE_LENGTH`, `INVALID_SUBJECT_LENGTH`, `INVALID_SHARE_MESSAGE_CHARACTERS`,"
        " `INVALID_SHARE_MESSAGE_LINK`: an address of another site in the message.",
    ),
    endpoint(
        "GET", _SHARES + "/{share_id}", "Share links", "An act of sharing", get, Right.READ, ShareAnswer,
        description="`share_not_found`.", path_words={"share_id": "The share's id."},
    ),
]  # fmt: skip
