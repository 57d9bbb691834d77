"""Address and credentials of an MQTT broker."""

from __future__ import annotations

import os
import ssl
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError
from ..messages import brief_repr, system_reason

# Default port of each scheme.
PORTS = {"mqtt": 1883, "mqtts": 8883}

PASSWORD_VARIABLE = "EDGE_SER_MQTT_PASSWORD"
CREDENTIAL = "mqtt-password"  # name of the systemd credential
MAX_PASSWORD_BYTES = 65_535  # of MQTT


@dataclass(frozen=True)
class Broker:
    """Address, credentials and TLS files of a broker.

    Attributes:
        host: Host name or IP address.
        port: TCP port.
        tls: Connect with TLS.
        user: User name, or None.
        password: Password, or None; not part of the repr.
        ca: File of the certificates to trust. None: those of the system.
        cert: File of the client certificate, or None.
        key: File of its private key. None: it is in the file of the certificate.
    """

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def parse(
        cls,
        url: str,
        password: str | None = None,
        *,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> Broker:
        """Return the broker of a URL.

        Args:
            url: `mqtt://[USER@]HOST[:PORT]`, or `mqtts://` for TLS.
            password: The password.
            ca: File of the certificates to trust. Default: those of the system.
            cert: File of the client certificate.
            key: File of its private key. Default: the file of the certificate.

        Raises:
            ConfigError: If the URL is not valid or contains a password, or if the other arguments
                do not fit it.

        Example:
            >>> broker = Broker.parse("mqtts://anna@house.local")
            >>> broker.user, broker.host, broker.port, broker.tls
            ('anna', 'house.local', 8883, True)
        """
        scheme, _, rest = url.partition("://")
        user, _, address = rest.rpartition("@")
        if ":" in user:  # checked first, so that no other message shows it
            raise ConfigError(
                "--mqtt: the URL must not contain a password, which other users of this machine "
                f"can read; use --mqtt-password-file or {PASSWORD_VARIABLE}"
            )
        try:
            parts = urllib.parse.urlsplit(f"//{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        is_address = host and port != 0 and not (parts.path.strip("/") or parts.query)
        if scheme not in PORTS or not host or not is_address or any(map(str.isspace, host)):
            raise ConfigError(
                f"--mqtt {brief_repr(url)}: expected mqtt://[USER@]HOST[:PORT], or mqtts:// for TLS"
            )
        if password is not None and not user:
            raise ConfigError(
                f"--mqtt {url}: a password requires a user name; use {scheme}://USER@{address}"
            )
        if scheme == "mqtt" and (ca or cert or key):
            raise ConfigError(
                f"--mqtt {url}: --mqtt-ca, --mqtt-cert and --mqtt-key require TLS; use "
                f"mqtts://{rest}"
            )
        if key is not None and cert is None:
            raise ConfigError("--mqtt-key requires --mqtt-cert")
        name = urllib.parse.unquote(user) or None
        return cls(host, port or PORTS[scheme], scheme == "mqtts", name, password, ca, cert, key)

    def __str__(self) -> str:
        """Return host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext:
        """Return a TLS context that verifies certificate and host name.

        Raises:
            ConfigError: If a file cannot be read or is not a certificate or key.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"--mqtt-ca {self.ca}: {_file_reason(error)}") from error
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key, password=_no_passphrase)
            except (OSError, ssl.SSLError) as error:
                files = f"--mqtt-cert {self.cert}"
                if self.key is not None:
                    files += f", --mqtt-key {self.key}"
                raise ConfigError(f"{files}: {_file_reason(error)}") from error
        return context


def read_password(path: Path | None) -> str | None:
    """Return the password of the broker, or None without one.

    It is that of the file, else that of the environment variable `EDGE_SER_MQTT_PASSWORD`, else
    that of the systemd credential `mqtt-password`.

    Args:
        path: A file with the password in its first line.

    Raises:
        ConfigError: If a file cannot be read or contains no password.
    """
    if path is None:
        if PASSWORD_VARIABLE in os.environ:
            return os.environ[PASSWORD_VARIABLE]
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None or not (Path(folder) / CREDENTIAL).exists():
            return None
        path = Path(folder) / CREDENTIAL
    try:
        with open(path, "rb") as file:
            line = file.readline(MAX_PASSWORD_BYTES + 2).rstrip(b"\r\n")
        password = line.decode()
    except OSError as error:
        raise ConfigError(f"--mqtt-password-file {path}: {system_reason(error)}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"--mqtt-password-file {path}: must be UTF-8 text") from None
    if not password:
        raise ConfigError(f"--mqtt-password-file {path}: the first line is empty")
    if len(line) > MAX_PASSWORD_BYTES:
        raise ConfigError(
            f"--mqtt-password-file {path}: the first line must be at most "
            f"{MAX_PASSWORD_BYTES} bytes"
        )
    return password


def _no_passphrase() -> str:
    """Fail for an encrypted key instead of waiting for a passphrase on the terminal."""
    raise ssl.SSLError("the key is encrypted; store it without a passphrase")


def _file_reason(error: Exception) -> str:
    """Return the reason of an error of the ssl module."""
    if isinstance(error, ssl.SSLError):
        if error.errno is None and error.args:
            return str(error.args[0])
        return "is not a certificate or key in PEM format, or they do not belong together"
    return system_reason(error)
