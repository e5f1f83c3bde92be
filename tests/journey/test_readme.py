"""The README's referral, run as it stands there, in a shell, against a real server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from goodword.core.account import Scope
from tests.running import ROOT, Server, make_key


def test_the_readmes_referral_pays_two_rewards_and_says_why(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## Refer a friend")[2].partition("\n## ")[0]
    story = re.findall(r"```\n(.*?)```", section, re.DOTALL)[0]
    data = tmp_path / "goodword-data"
    key = make_key(data, Scope.ADMIN)
    with Server(data) as server:
        story = story.replace("K=KEY", f"K={key}").replace("8765", str(server.port))
        story = story.replace("G=.venv/bin/goodword", f"G={ROOT / '.venv/bin/goodword'}")
        done = subprocess.run(["bash", "-e", "-u", "-c", story], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"success":true') == 5
    assert done.stdout.count("FULFILLED") == 2
    assert "10 points" in done.stdout
    assert "share link was followed" in done.stdout
