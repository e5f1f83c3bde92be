"""The reference names every command, option and setting there is, and none that is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from goodword.cli.app import make
from goodword.config import SETTINGS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
COMMON = {"--help"}


def commands() -> Iterator[tuple[str, list[str], list[str]]]:
    """Each command: its full name, its options, its arguments."""

    def walk(name: str, command: object) -> Iterator[tuple[str, list[str], list[str]]]:
        if isinstance(command, TyperGroup):
            for inner, found in command.commands.items():
                yield from walk(f"{name} {inner}", found)
            return
        assert isinstance(command, TyperCommand)
        parameters = command.params
        options = [text for each in parameters if isinstance(each, TyperOption) for text in (*each.opts, *each.secondary_opts)]
        arguments = [each.metavar or each.name.upper() for each in parameters if isinstance(each, TyperArgument)]
        yield name, [option for option in options if option not in COMMON], arguments

    return walk("goodword", typer.main.get_command(make()))


def sections() -> dict[str, str]:
    """The sections of the reference, by the command they are about."""
    parts = re.split(r"^## `(goodword [^`]+)`\n", (REFERENCE / "cli.md").read_text(), flags=re.MULTILINE)[1:]
    return {re.sub(r" [A-Z_]+", "", name): name + "\n" + text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(sections()) == sorted(name for name, _, _ in commands())


@pytest.mark.parametrize(("name", "options", "arguments"), list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_option_is_in_the_section_of_its_command(name: str, options: list[str], arguments: list[str]) -> None:
    section = sections()[name]
    assert [option for option in options if not re.search(rf"`{re.escape(option)}\b", section)] == []
    assert [argument for argument in arguments if argument not in section.splitlines()[0]] == []
    documented = set(re.findall(r"`(--[a-z-]+)", section))
    assert documented - set(options) - {"--help"} == set()


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    text = (REFERENCE / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE))
    assert rows == {setting.name: f"`{setting.default}`" if setting.default else "none" for setting in SETTINGS}
