#!/usr/bin/env python3
"""What is in a root file system of compose/rootfs, as SPDX 2.3 (JSON): sbom.py FOLDER > FILE

Debian's packages from its var/lib/dpkg/status, and what .ci/setup fetched by hash.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def stanzas(text):
    for block in text.strip().split("\n\n"):
        yield dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.M))


def setup_value(name):
    return re.search(rf"^readonly {name}=(\S+)$", (ROOT / ".ci/setup").read_text(), re.M)[1]


def reference(kind, locator):
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": kind, "referenceLocator": locator}


def package(name, version, supplier, purl, licence="NOASSERTION", sha256=None):
    made = {"SPDXID": "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", name), "name": name,
            "versionInfo": version, "supplier": supplier, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": licence,
            "copyrightText": "NOASSERTION", "externalRefs": [reference("purl", purl)]}
    if sha256:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256}]
    return made


def debian(stanza):
    source = stanza.get("Source", stanza["Package"])
    name, _, version = source.partition(" ")
    upstream = f"{name}@{version.strip('()')}" if version else name
    purl = (f"pkg:deb/debian/{urllib.parse.quote(stanza['Package'])}@{urllib.parse.quote(stanza['Version'])}"
            f"?arch={stanza['Architecture']}&distro=debian-12&upstream={urllib.parse.quote(upstream)}")
    return package(stanza["Package"], stanza["Version"], "Organization: Debian", purl)


def version():
    return re.search(r"project\(millrace VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def fetched(folder):
    openvino, model = setup_value("kOpenVino"), setup_value("kModelVersion")
    artifact = setup_value("kModelArtifact")
    yield package("openvino", openvino, "Organization: Intel Corporation", f"pkg:pypi/openvino@{openvino}", "Apache-2.0",
                  setup_value("kOpenVinoWheel"))
    yield package(setup_value("kModel"), model, "Organization: sentence-transformers",
                  f"pkg:maven/dev.langchain4j/{artifact}@{model}", "Apache-2.0", setup_value("kModelJar"))
    # Compiled from Debian's source for AVX2 and linked in, or Debian's own library.
    if not any(folder.glob("usr/lib/x86_64-linux-gnu/libfaiss*")):
        faiss = subprocess.run(["dpkg-query", "-W", "-f=${source:Version}", "libfaiss-dev"], check=True,
                               capture_output=True, text=True).stdout
        yield package("faiss", faiss, "Organization: Debian", f"pkg:deb/debian/faiss@{urllib.parse.quote(faiss)}?arch=source",
                      "MIT")


def main():
    folder = pathlib.Path(sys.argv[1])
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC) if seconds else datetime.datetime.now(datetime.UTC)
    ours = package("millrace", version(), "Organization: millrace", f"pkg:generic/millrace@{version()}", "Apache-2.0")
    packages = [debian(each) for each in stanzas((folder / "var/lib/dpkg/status").read_text())]
    packages += fetched(folder)
    programs = sorted(folder.glob("usr/bin/*"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(each.read_bytes()).digest() for each in programs)).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"millrace-{version()}",
        "documentNamespace": f"https://spdx.org/spdxdocs/millrace-{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "creationInfo": {"created": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: millrace-compose-sbom"]},
        "packages": [ours, *packages],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": ours["SPDXID"]},
            *({"spdxElementId": ours["SPDXID"], "relationshipType": "DEPENDS_ON", "relatedSpdxElement": each["SPDXID"]}
              for each in packages)],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
