"""A certificate authority that lives as long as a test. Needs the openssl program."""

import pathlib
import subprocess

DAYS = "2"


class Authority:
    """Issues certificates into a folder; ca.pem there is what others have to trust."""

    def __init__(self, folder, name="millrace test"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        self._request(name, self.certificate, self.key, ["basicConstraints=critical,CA:TRUE"], [])

    def issue(self, name, *alternatives):
        """(certificate, key) files in PEM for a name, also valid for "IP:…" and "DNS:…"."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        extensions = ["basicConstraints=CA:FALSE"]
        if alternatives:
            extensions.append("subjectAltName=" + ",".join(alternatives))
        signer = ["-CA", str(self.certificate), "-CAkey", str(self.key)]
        self._request(name, certificate, key, extensions, signer)
        return certificate, key

    @staticmethod
    def _request(name, certificate, key, extensions, signer):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS, "-subj", f"/CN={name}",
                   "-keyout", str(key), "-out", str(certificate), *signer]
        for each in extensions:
            command += ["-addext", each]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"no certificate for {name}: {done.stderr.strip()}")
