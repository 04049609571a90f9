"""Certificates for tests, made by the openssl command: a CA and what it signs, each a PEM file in a directory."""

import pathlib
import subprocess


def openssl(*words, **options):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    """A CA: .ca is its certificate's path; issue() signs with it."""

    def __init__(self, directory, name="ca"):
        self.directory = pathlib.Path(directory)
        self.ca, self.ca_key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30,
                "-subj", f"/CN=crossfade test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout", self.ca_key, "-out", self.ca)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", days=30):
        """(certificate, key) for a subject CN=name; `names`: its alternative names."""
        key, request, cert = (self.directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", days,
                "-out", cert, "-extfile", self._extensions(name, names))
        return cert, key

    def _extensions(self, name, names):
        path = self.directory / f"{name}.ext"
        path.write_text(f"subjectAltName={names}\n")
        return path
