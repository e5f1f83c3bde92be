"""The house rules a linter does not know. Each is a function over paths or texts, first tried on a breach."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "goodword"
FILE_LINES_MAX = 450

# -- the core is pure ------------------------------------------------------------------------------------------------

# Import contracts (pyproject.toml) see modules and what they lead to; this also sees what needs no import.
IMPURE_MODULES = frozenset(
    "apsw asyncio cryptography getpass glob http importlib io locale logging multiprocessing os pathlib platform "
    "random secrets select shutil signal socket sqlite3 ssl starlette structlog subprocess sys tempfile threading "
    "time typer urllib.error urllib.request uuid uuid_utils uvicorn uvloop".split()
)
IMPURE_BUILTINS = frozenset("__import__ breakpoint compile eval exec exit globals input open print quit".split())
# A clock or a file, whatever object it is asked of. (`facts.now` is a value; `x.now()` is a clock.)
IMPURE_ATTRIBUTES = frozenset("utcnow today read_text read_bytes write_text write_bytes".split())
IMPURE_METHODS = frozenset("now uuid1 uuid4 uuid7 open".split())


def impurities(source: str) -> Iterator[str]:
    """Yields `line: what` for each clock, randomness, environment or I/O that the source imports or names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names if _is_impure_module(alias.name)]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                full = [f"{module}.{alias.name}" for alias in names]
                found = [module] if _is_impure_module(module) else [name for name in full if _is_impure_module(name)]
            case ast.Name(id=name) if name in IMPURE_BUILTINS:
                found = [name]
            case ast.Attribute(attr=attr) if attr in IMPURE_ATTRIBUTES:
                found = [f".{attr}"]
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in IMPURE_METHODS:
                found = [f".{attr}()"]
            case ast.Attribute(value=ast.Name("datetime") | ast.Attribute(attr="datetime"), attr="now"):
                found = ["datetime.now"]
            case _:
                found = []
        for what in found:
            yield f"{getattr(node, 'lineno', 0)}: {what}"


def _is_impure_module(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:count]) in IMPURE_MODULES for count in range(1, len(parts) + 1))


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path",
        "import urllib.request as r",
        "from urllib import request",
        "from uuid import uuid4",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as d\nx = d.datetime.utcnow",
        "x = date.today()",
        "def f():\n    import random",
        "open('x')",
        "print(1)",
        "f = open",
        "clock = datetime.now",
        "from importlib import import_module",
        "x = ids.uuid7()",
        "x = Path('x').read_text()",
    ],
)
def test_the_purity_rule_sees_a_breach(source: str) -> None:
    assert list(impurities(source))


def test_the_purity_rule_lets_pure_code_be() -> None:
    source = "from urllib.parse import urlsplit\nfrom datetime import UTC, datetime\n\ndef f(now: datetime) -> datetime:\n"
    assert list(impurities(source + "    opened = now.astimezone(UTC)\n    return max(opened, facts.now)\n")) == []


def test_core_calls_no_clock_randomness_environment_or_io() -> None:
    files = sorted((PACKAGE / "core").rglob("*.py"))
    assert files, "goodword/core has no files"
    assert [f"{_name(file)}:{found}" for file in files for found in impurities(file.read_text())] == []


# -- rooms have names, and sizes -------------------------------------------------------------------------------------

VAGUE_NAMES = re.compile(r"_?(utils?|helpers?|common|commons|base|bases|managers?|services?|misc)")


def vague_names(files: list[str]) -> list[str]:
    """Those of the paths of which a folder or the module itself is called after nothing."""
    return [file for file in files if any(VAGUE_NAMES.fullmatch(Path(part).stem) for part in Path(file).parts)]


def test_no_room_is_called_after_nothing() -> None:
    breaches = [
        "a/utils.py",
        "a/helpers/x.py",
        "common.py",
        "a/_base.py",
        "manager/__init__.py",
        "b/service.py",
        "misc.py",
    ]
    assert vague_names(breaches) == breaches
    assert vague_names(["goodword/database.py", "goodword/service_level.py"]) == []
    assert vague_names([file for file in _tracked() if file.endswith(".py")]) == []


def long_files(lines_of_file: dict[str, int]) -> list[str]:
    return [f"{file}: {lines} lines" for file, lines in lines_of_file.items() if lines > FILE_LINES_MAX]


def test_no_file_of_the_package_asks_to_be_two() -> None:
    assert long_files({"a.py": FILE_LINES_MAX, "b.py": FILE_LINES_MAX + 1}) == [f"b.py: {FILE_LINES_MAX + 1} lines"]
    files = sorted(PACKAGE.rglob("*.py"))
    assert files, "goodword has no files"
    assert long_files({_name(file): len(file.read_text().splitlines()) for file in files}) == []


# -- nothing of one machine in the tree ------------------------------------------------------------------------------

# The patterns are written so that they do not find themselves.
LEAKS = [
    re.compile(r"pypi[.]org/simple"),
    re.compile(r"files[.]pythonhosted[.]org"),
    re.compile(r"registry[.]npmjs[.]org"),
    re.compile(r"https?://[^\s\"'<>]+/simple/?(?=[\s\"'<>]|$)"),
    re.compile(r"--(extra-)?index[-]url"),
    re.compile(r"--find[-]links"),
    re.compile(r'"resolved":\s*"http'),
    re.compile(r"(?<![\w.])/work[/](main|shared|[.]library)\b"),
    re.compile(r"(?<![\w.])/root[/][\w.]"),
    re.compile(r"(?<![\w.])/opt[/]wheels\b"),
    re.compile(r"(?<![\w.])/tmp[/]bash_jobs\b"),
    re.compile(re.escape(str(ROOT)) + r"(?=[/\s\"':]|$)"),
]


def leaks(text: str) -> Iterator[str]:
    """Yields `line: text` for each package index address and each absolute path of the machine it was written on."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern in LEAKS:
            if found := pattern.search(line):
                yield f"{number}: {found[0]}"


@pytest.mark.parametrize(
    "text",
    [
        "https://" + "pypi" + ".org/simple",
        "https://files." + "pythonhosted.org/packages/x.whl",
        "registry=https://registry." + "npmjs.org/",
        "http://mirror.example/py" + "/simple/",
        "--index" + "-url x",
        "--extra-index" + "-url x",
        "--find" + "-links x",
        '"resolved": ' + '"https://mirror.example/a.tgz"',
        "see /wo" + "rk/shared/design.md",
        "HOME=/ro" + "ot/.cache",
        "/opt" + "/wheels",
        f"{ROOT}/goodword",
    ],
)
def test_the_leak_rule_sees_a_breach(text: str) -> None:
    assert list(leaks(text))


def test_the_leak_rule_lets_addresses_of_things_be() -> None:
    text = "https://py" + "pi.org/project/goodword\nGET /wo" + "rk/orders\n/op" + "t/goodword/bin\nhttps://shop.example/simple-things\n"
    assert list(leaks(text)) == []


def test_no_tracked_file_names_a_package_index_or_a_path_of_this_machine() -> None:
    found = []
    for file in _tracked():
        path = ROOT / file
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found += [f"{file}:{leak}" for leak in leaks(data.decode(errors="replace"))]
    assert found == []


def test_every_locked_package_has_a_hash() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert [lock.name for lock in locks] == ["dev.txt", "run.txt"]
    for lock in locks:
        packages = [line for line in lock.read_text().replace("\\\n", "").splitlines() if not line.startswith("#")]
        assert packages
        assert [line for line in packages if "==" not in line or "--hash=sha256:" not in line] == []


def test_both_locks_agree() -> None:
    run, dev = (_versions(ROOT / "requirements" / name) for name in ("run.txt", "dev.txt"))
    assert {name: (version, dev.get(name)) for name, version in run.items() if dev.get(name) != version} == {}


def _versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^\s\\;]+)", lock.read_text(), flags=re.MULTILINE))


def _tracked() -> list[str]:
    # The checkout may belong to another user than the one who runs the tests.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assert len(files) > 1, "git knows of no files here"
    return [file for file in files if file]


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()
