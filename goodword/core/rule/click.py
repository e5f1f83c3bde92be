"""Rules about how the friend came: the click, the page before it, the time after it."""

from __future__ import annotations

from goodword.core.quality import Quality, Reference
from goodword.core.referral import Case, Touch
from goodword.core.reward import Passed
from goodword.core.rule.result import objects, passes, unknown
from goodword.core.site import is_coupon_site

DAY_MS = 24 * 3600 * 1000
_NO_CLICK = "the friend did not come by a click"
_NOT_SEEN = "nothing is known of the click's browser"


def is_click(touch: Touch) -> bool:
    """Whether a touch is a visit by a share link, not something said on an event."""
    return touch.reason in ("SHARE_ID", "SHAREABLE_ID") and not touch.ref.startswith(touch.reason)


def referring_sites(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The link was not followed on a coupon or advertising site. An own blog is none."""
    terms = quality.referring_sites
    if terms.action == "off":
        return None
    if not is_click(case.touch):
        return unknown("referring_sites", _NO_CLICK)
    site = case.touch.evidence.site
    if site:
        if is_coupon_site(site, terms.sites, terms.allowed):
            return objects(terms.action, "referring_sites", "the link was followed on a coupon or advertising site")
        return passes("referring_sites")
    counts = case.counts
    if counts.advocate_clicks >= terms.clicks and counts.site_clicks >= terms.share * counts.advocate_clicks:
        return objects("review", "referring_sites", "most clicks on the advocate's links come from coupon or advertising sites")
    return unknown("referring_sites", "the page before the click is not known")


def ad_clicks(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The link was not the target of a paid advertisement. Searching later, after the click, is no advertisement of the advocate's."""
    action = quality.ad_clicks
    if action == "off":
        return None
    if not is_click(case.touch):
        return unknown("ad_clicks", _NO_CLICK)
    mark = case.touch.evidence.ad
    return objects(action, "ad_clicks", f"the link was followed in a paid advertisement ({mark})") if mark else passes("ad_clicks")


def bot_clicks(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """A person clicked, not a program."""
    terms = quality.bot_clicks
    if terms.action == "off":
        return None
    click, step = case.touch.evidence, case.step.evidence
    if click.is_bot or step.is_bot or "headless" in (click.hint, step.hint):
        return objects(terms.action, "bot_clicks", "a program, not a person, made the click or the event")
    if case.touch.recent > terms.per_address:
        return objects("review", "bot_clicks", "many clicks came from the same address within minutes")
    return unknown("bot_clicks", _NOT_SEEN) if click.is_unknown and step.is_unknown else passes("bot_clicks")


def cookie_stuffing(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The link was opened as a page, not hidden inside another. That the page before is not known says nothing."""
    action = quality.cookie_stuffing
    if action == "off":
        return None
    if not is_click(case.touch):
        return unknown("cookie_stuffing", _NO_CLICK)
    evidence = case.touch.evidence
    if evidence.hint in ("frame", "subresource"):
        return objects(action, "cookie_stuffing", "the link was loaded inside another page, not opened by a person")
    return unknown("cookie_stuffing", _NOT_SEEN) if evidence.is_unknown else passes("cookie_stuffing")


def too_quick(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """No sooner after the click than a person can be. When a server says it, its time is not the person's."""
    terms = quality.too_quick
    if terms.action == "off":
        return None
    if not is_click(case.touch):
        return unknown("too_quick", _NO_CLICK)
    if not case.step.from_browser:
        return unknown("too_quick", "a server said it, at a time of its own")
    seconds = terms.sign_up_seconds if case.kind == "sign_up" else terms.outcome_seconds
    if 0 <= case.step.at - case.touch.at < seconds * 1000:
        return objects(terms.action, "too_quick", f"it came less than {seconds:g} seconds after the click")
    return passes("too_quick")


def hijack(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """No other advocate's friend was taken over at the checkout, by a click just before the purchase."""
    terms = quality.hijack
    if terms.action == "off":
        return None
    touch, step = case.touch, case.step
    if case.kind != "outcome" or not is_click(touch) or step.at - touch.at >= terms.seconds * 1000:
        return passes("hijack")
    settled = touch.at - int(terms.settled_minutes * 60_000)
    for rival in case.journey.touches:
        if rival.advocate_id != touch.advocate_id and rival.at <= settled and rival.program in ("", touch.program):
            return objects(
                terms.action, "hijack", "another advocate had brought the friend long before this click, made just before the purchase"
            )
    return passes("hijack")


def lookback(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The referral is recent enough."""
    terms = quality.lookback
    if terms.action == "off":
        return None
    if case.step.at - case.touch.at <= terms.days * DAY_MS:
        return passes("lookback")
    return objects(terms.action, "lookback", f"the referral is older than {terms.days:g} days")


def late_event(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """It was received soon after it happened, and happened after the referral."""
    terms = quality.late_event
    if terms.action == "off":
        return None
    step = case.step
    latest = step.at + 999 if step.at % 1000 == 0 else step.at  # a time given in whole seconds means the whole second
    if latest < case.touch.at:
        return objects(terms.action, "late_event", "it says it happened before the referral")
    if step.known_at - step.at > terms.days * DAY_MS:
        return objects(terms.action, "late_event", f"it says it happened more than {terms.days:g} days before it was received")
    return passes("late_event")
