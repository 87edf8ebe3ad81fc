#!/usr/bin/env python3
"""The rules of .github/CONTRIBUTING.md that no other tool checks. Prints every breach, exits 1 on any."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

TOP_LEVEL = {
    ".ci", ".clang-format", ".clang-tidy", ".github", ".gitignore", "CMakeLists.txt",
    "CMakePresets.json", "LICENSE", "Makefile", "README.md", "common", "compose", "gateway", "k8s",
    "schemas", "tests", "workers",
}
# Who may include whom (first folder of the path). Composition roots see everything.
MAY_INCLUDE = {
    "common": {"common"},
    "schemas": {"common", "schemas"},
    "workers": {"common", "schemas", "workers"},
    "gateway": {"common", "schemas", "gateway"},
}
COMPOSITION_ROOTS = {"gateway/standalone.cc"}
# Folders of workers/ that any stage may include; the others are stages and know no other stage.
WORKER_LIBRARIES = {"runtime", "drift", "text", "model", "index"}
# Vendor headers stay in one place.
VENDORS = {
    r"rapidjson/": ("common/json",),
    r"prometheus/": ("common/metrics",),
    r"librdkafka/": ("common/log/kafka", "tests/bench/bench_kafka"),
    r"faiss/": ("workers/index/", "tests/bench/bench_index"),
    r"openvino/": ("workers/model/",),
    r"rocksdb/": ("common/log/", "workers/index/", "workers/sweeper/"),
    r"unicode/": ("workers/text/", "workers/model/"),
    r"poppler": ("workers/extractor/",),
    r"gumbo": ("workers/extractor/",),
    r"libstemmer|cld2/": ("workers/text/",),
    r"yaml-cpp/": ("common/config", "gateway/web/"),
}
SOURCE_LINES_MAX, HEADER_LINES_MAX = 420, 180


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    return [name for name in listing.stdout.decode().split("\0") if name]


def check_include(name, include):
    parts, target = name.split("/"), include.split("/")
    if parts[0] not in MAY_INCLUDE or name in COMPOSITION_ROOTS:
        return
    if target[0] not in MAY_INCLUDE[parts[0]]:
        yield f"{parts[0]} must not include {include}"
    if parts[0] == target[0] == "workers" and len(parts) > 2 and len(target) > 2:
        if target[1] != parts[1] and target[1] not in WORKER_LIBRARIES:
            yield f"stage {parts[1]} must not include another stage: {include}"
    if not (ROOT / include).exists() and not include.endswith(".generated.h"):
        yield f"no such file: {include}"


def check_source(name, text):
    lines = text.count("\n")
    limit = HEADER_LINES_MAX if name.endswith(".h") else SOURCE_LINES_MAX
    if name.split("/")[0] in MAY_INCLUDE and lines > limit:
        yield f"{lines} lines, over {limit}: does it have one responsibility?"
    if name.endswith(".h") and not text.startswith("#pragma once"):
        yield "a header begins with #pragma once"
    for include in re.findall(r'^#include "([^"]+)"', text, re.M):
        yield from check_include(name, include)
    if not name.startswith("tests/"):
        for pattern, homes in VENDORS.items():
            for include in re.findall(rf"^#include <({pattern}[^>]*)>", text, re.M):
                if not name.startswith(homes):
                    yield f"<{include}> may be included in {', '.join(homes)} only"
        if re.search(r"\b(getenv|environ)\b", text) and not name.startswith("common/config"):
            yield "the environment is read in common/config.cc only"
        if re.search(r"\b(sleep_for|usleep|nanosleep)\(", text) and "clock" not in text:
            yield "no sleeping: common/clock.h"
        for lint_off in re.findall(r"NOLINT\w*(?!\w)(?!\([\w-]+(?:,[\w-]+)*\): \S)", text):
            yield f"{lint_off} must name its check and a reason: NOLINT(check): reason"
    if re.search(r"\b(TODO|FIXME|XXX)\b", text):
        yield "unfinished work is not committed"


def check_readme(name, text):
    folder = (ROOT / name).parent
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link and not link.startswith("mailto:") and not (folder / link).exists():
            yield f"links to {link}, which is not there"
    for path in re.findall(r"`([\w./-]+\.(?:cc|h|py|yaml|json|md|html|js|css))`", text):
        if "/" in path and not (folder / path).exists() and not (ROOT / path).exists():
            yield f"names {path}, which is not there"


def main():
    breaches = []
    names = tracked()
    for entry in sorted({name.split("/")[0] for name in names} - TOP_LEVEL):
        breaches.append(f"{entry}: not an entry of the top level")
    for name in names:
        path = ROOT / name
        if not path.is_file():
            continue
        if path.suffix in {".cc", ".h"}:
            breaches += [f"{name}: {each}" for each in check_source(name, path.read_text())]
        elif path.suffix == ".md":
            breaches += [f"{name}: {each}" for each in check_readme(name, path.read_text())]
        elif path.suffix == ".json":
            try:
                json.loads(path.read_text())
            except ValueError as error:
                breaches.append(f"{name}: {error}")
    for breach in breaches:
        print(breach)
    print(f"house rules: {len(names)} files, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
