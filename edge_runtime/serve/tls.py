"""A certificate that this machine signs for itself."""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..errors import ConfigError, EdgeSerError
from ..messages import shorten, system_reason

DAYS = 3650
TIMEOUT_SECONDS = 30


def self_signed(folder: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Return a certificate and its key, created on the first call.

    Args:
        folder: Where they are kept.
        names: Host names and addresses that the certificate covers.

    Raises:
        ConfigError: If openssl is missing.
        EdgeSerError: If they cannot be written.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if certificate.is_file() and key.is_file():
        return certificate, key
    program = shutil.which("openssl")
    if program is None:
        raise ConfigError(
            "--tls-self-signed requires the program openssl; install it, or pass --tls-cert and "
            "--tls-key"
        )
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", str(DAYS), "-subj", "/CN=edge-ser"]
    command += ["-addext", f"subjectAltName={','.join(sorted(map(_alternative, names)))}"]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.touch(0o600)
        done = subprocess.run(
            [*command, "-keyout", str(key), "-out", str(certificate)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgeSerError(f"{folder}: no certificate: {system_reason(error)}") from error
    if done.returncode:
        certificate.unlink(missing_ok=True)
        raise EdgeSerError(f"{folder}: no certificate: {shorten(done.stderr.strip(), 300)}")
    return certificate, key


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint of a certificate, as browsers show it."""
    text = certificate.read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)])
    return hashlib.sha256(der).digest().hex(":").upper()


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
