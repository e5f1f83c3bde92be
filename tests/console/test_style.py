"""What the console's files must be: colours that can be read, templates that run nothing, libraries as they were published."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

import goodword.console

FOLDER = Path(next(iter(goodword.console.__path__)))
CSS = (FOLDER / "static" / "app.css").read_text()
TEMPLATES = sorted((FOLDER / "templates").rglob("*.html"))
VENDOR = {
    "htmx-2.0.10.min.js": "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de",
    "uplot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot-1.6.32.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
}
TOKENS = {
    name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
}  # fmt: skip
TEXT_MIN, EDGE_MIN = 4.5, 3.0
TEXTS = [
    *((ink, ground) for ink in ("ink", "muted", "accent", "good", "warn", "bad", "test") for ground in ("bg", "raised")),
    *((ink, f"{ink}-tint") for ink in ("accent", "good", "warn", "bad", "test")),
    *(("ink", f"{tint}-tint") for tint in ("accent", "good", "warn", "bad")),
    ("on-accent", "accent"),
]
EDGES = [*(("edge", ground) for ground in ("bg", "raised")), *((f"series-{number}", "bg") for number in range(1, 6))]


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_what_wcag_says() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_and_every_edge_can_be_seen(theme: int) -> None:
    weak = [(pair, theme) for pair in TEXTS if contrast(TOKENS[pair[0]][theme], TOKENS[pair[1]][theme]) < TEXT_MIN]
    weak += [(pair, theme) for pair in EDGES if contrast(TOKENS[pair[0]][theme], TOKENS[pair[1]][theme]) < EDGE_MIN]
    assert weak == []


FORBIDDEN = {
    "an escape is turned off": re.compile(r"\|\s*safe\b|autoescape\s+false", re.IGNORECASE),
    "a style in a tag": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "a script in a page": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", re.IGNORECASE),
    "a style in a page": re.compile(r"<style", re.IGNORECASE),
    "a script in a tag": re.compile(r"\son[a-z]+\s*=|hx-on|javascript:|\bjs:", re.IGNORECASE),
    "an attribute without quotes": re.compile(r"=\{\{"),
    "something from elsewhere": re.compile(r"(?:src|href)=\"(?:https?:)?//(?!www\.w3\.org)", re.IGNORECASE),
}


def breaches(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]


def test_the_template_rules_see_a_breach() -> None:
    for bad in (
        "{{ x|safe }}", '<p style="color:red">', "<script>x</script>", "<style>", "<a onclick=x>", "<a href={{ x }}>",
        '<img src="https://cdn.example/x.png">', '<button hx-on:click="x">',
    ):  # fmt: skip
        assert breaches(bad), bad
    assert breaches('<script src="{{ asset(\'x.js\') }}" defer></script><script type="application/json">{}</script>') == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(FOLDER / "templates")))
def test_a_template_runs_nothing_and_takes_nothing_from_elsewhere(template: Path) -> None:
    assert breaches(template.read_text()) == []


def test_vendored_files_are_the_published_ones() -> None:
    folder = FOLDER / "static" / "vendor"
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.suffix in (".js", ".css")}
    assert found == VENDOR
    said = (folder / "LICENSES.txt").read_text()
    assert [name for name in VENDOR if name not in said] == []
