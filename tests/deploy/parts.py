"""The tools that `make setup-tests` puts into build/parts, or Debian into the path."""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTS = pathlib.Path(os.environ.get("TEST_PARTS", ROOT / "build/parts"))


def tool(name):
    for folder in ("tools", "promtool"):
        if (PARTS / folder / name).is_file():
            return str(PARTS / folder / name)
    found = shutil.which(name)
    assert found, f"{name} is missing: make setup-tests"
    return found


def run(name, *arguments, cwd=ROOT):
    """(whether it ended with 0, all that it said)."""
    done = subprocess.run([tool(name), *map(str, arguments)], cwd=cwd, text=True, timeout=240,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0, done.stdout


def tracked(*patterns):
    """The repository's files of these patterns that are there."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, check=True,
                            capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
