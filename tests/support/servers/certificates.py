"""Certificates for a test: its own authority, and a certificate for 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.servers.private_servers import require_programs

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority, and a certificate with its key."""

    ca_file: Path
    cert_file: Path
    key_file: Path

    def server_context(self, *, asks_for_certificate: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server with the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca_file)
        return context


def make_certificates(folder: Path, address: str = "IP:127.0.0.1") -> Certificates:
    """Create new ones. Skips the test without openssl, or fails when it is required."""
    require_programs(["openssl"])
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    new = ("req", *key, "-days", "2", "-batch")
    openssl(folder, *new, "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, *new, "-subj", "/CN=tester", "-keyout", "tester.key", "-out", "tester.csr")
    (folder / "names").write_text(f"subjectAltName={address}\n")
    signing = ("x509", "-req", "-in", "tester.csr", "-CA", "ca.pem", "-CAkey", "ca.key")
    names = ("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "tester.pem")
    openssl(folder, *signing, *names)
    return Certificates(folder / "ca.pem", folder / "tester.pem", folder / "tester.key")


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in `folder`."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
