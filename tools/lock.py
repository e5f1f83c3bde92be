"""Writes requirements/run.txt and dev.txt from pyproject.toml: exact versions with hashes, for every platform.

It needs the package index the machine's pip is set up for, and leaves no trace of it in the files. uv does the
resolving; it is installed in a throw-away environment because nothing else here needs it.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made by `make lock` from pyproject.toml; do not edit. Install with: pip install --require-hashes --no-deps -r\n"

# analytics-python asks for exactly backoff 1.10, of 2019, and the current rudder-sdk-python for at least 2.2. The part
# of backoff that analytics-python calls (on_exception with expo) is the same in both, so that the stock SDKs can be
# tested side by side.
OVERRIDES = "backoff>=2.2.1\n"

LOCKS = {
    "run.txt": ["--group", "build"],
    "dev.txt": ["--group", "build", "--group", "dev", "--extra", "parquet", "--constraint", "requirements/run.txt"],
}

OPTIONS = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet".split()


def main() -> None:
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    with tempfile.TemporaryDirectory() as scratch:
        tool = Path(scratch, "venv")
        venv.create(tool, with_pip=True)
        subprocess.run([str(tool / "bin/pip"), "install", "--quiet", "uv"], check=True)
        overrides = Path(scratch, "overrides.txt")
        overrides.write_text(OVERRIDES)
        for name, wanted in LOCKS.items():
            out = ROOT / "requirements" / name
            out.parent.mkdir(exist_ok=True)
            subprocess.run(
                [str(tool / "bin/uv"), "pip", "compile", "pyproject.toml", *wanted, *upgrade, *OPTIONS]
                + ["--overrides", str(overrides), "--output-file", str(out)],
                cwd=ROOT,
                check=True,
            )
            text = out.read_text()
            out.write_text(HEADER + re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
            print(f"requirements/{name}: {len(re.findall(r'^[a-z0-9].*==', text, flags=re.MULTILINE))} packages")


if __name__ == "__main__":
    main()
