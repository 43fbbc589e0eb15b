"""E-mail by SMTP: TLS from the first byte (`smtps://`) or by STARTTLS (`smtp://`), plain only on this machine.

Rules: certificates are verified (`SSL_CERT_FILE` names another authority); nothing is sent, no password above all,
before TLS stands. No line end comes into a header: texts are one line (`notice.plain`), addresses are of the policy's
grammar, and `email.message` refuses the rest (RFC 5322). `Message-ID` follows from the event, so that a second copy can
be told. Replies 4yz may pass (RFC 5321, 4.2.1), all else is final. Of what the server said only the code is repeated.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from registry import offline, timeouts
from registry.cache.transfer import Transient, retrying
from registry.channels import Channel
from registry.errors import RegistryError
from registry.notice import Notice, plain
from registry.notifying.secrets import again
from registry.stores.headway import shut
from registry.urls import is_loopback

_FORM: Final = "of smtp://user:password@host:587 or smtps://user:password@host:465"
_PORTS: Final = {"smtp": 587, "smtps": 465}
_SUBJECT: Final = 200
_PASSING: Final = range(400, 500)


class Server(NamedTuple):
    """A mail server, and what we are there."""

    host: str
    port: int
    tls: bool
    """Whether TLS stands from the first byte."""
    user: str
    password: str


def server(url: str, channel: Channel) -> Server:
    """Read the URL of a mail server. Raises `RegistryError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        host = ""
    if not host or parts.scheme not in _PORTS or parts.path not in {"", "/"} or parts.query or parts.fragment:
        what = f"the environment variable {channel.credential} holds no mail server's URL"
        raise RegistryError(what, channel.label, f"write one {_FORM}")
    return Server(host, port or _PORTS[parts.scheme], parts.scheme == "smtps", user, password)


def message(notice: Notice, channel: Channel) -> EmailMessage:
    """The e-mail of an event."""
    from email.utils import formatdate

    found = EmailMessage()
    found["Subject"] = plain(f"[registry] {notice.title()}", _SUBJECT)
    found["From"] = channel.address
    found["To"] = ", ".join(channel.to)
    found["Date"] = formatdate(usegmt=True)
    found["Message-ID"] = f"<{notice.id}@{channel.address.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    found["X-Registry-Event"] = notice.kind
    found["X-Registry-Delivery"] = notice.id
    lines = [f"{name}: {text}" for name, text in notice.facts().items()]
    links = [f"{plain(name)}: {plain(url)}" for name, url in sorted(notice.links.items())]
    parts = [[notice.title()], lines, notice.deltas(), notice.words(), links]
    found.set_content("\n\n".join("\n".join(part) for part in parts if part) + "\n")
    return found


def deliver(notice: Notice, channel: Channel, to: Server) -> None:
    """Send it. Raises `RegistryError`; where some recipients were refused the others have it."""
    offline.require("nothing can be sent", channel.label)
    sent = message(notice, channel)
    failed: RegistryError | None = None
    try:
        retrying(lambda: _once(sent, channel, to), lambda: 0)
    except RegistryError as error:
        failed = error
    if failed is not None:  # outside of the handler: no traceback leads to what the library raised
        raise again(failed, failed.what, failed.where, failed.fix)


def _once(sent: EmailMessage, channel: Channel, to: Server) -> None:
    where = f"{channel.label} (${channel.credential})"
    try:
        with _connected(to, where) as client:
            refused = client.send_message(sent, channel.address, list(channel.to))
    except RegistryError:
        raise
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _told(error, where, channel) from None
    if refused:
        names = ", ".join(sorted(refused))
        raise RegistryError(f"the mail server refused {names}", where, "correct the recipients in policy.yaml")


@contextmanager
def _connected(to: Server, where: str) -> Iterator[smtplib.SMTP]:
    """A session, which as a whole must be done in time."""
    seconds = timeouts.seconds()
    context = ssl.create_default_context()
    name = "[127.0.0.1]"  # our host's own name is nobody's business
    client = (
        smtplib.SMTP_SSL(context=context, local_hostname=name, timeout=seconds)
        if to.tls
        else smtplib.SMTP(local_hostname=name, timeout=seconds)
    )
    vars(client)["_host"] = to.host  # the name that TLS verifies: the constructor sets it, and would connect at once
    late = threading.Timer(2 * seconds, lambda: shut(client.sock))
    late.daemon = True
    late.start()
    try:
        client.connect(to.host, to.port)
        client.ehlo()
        _secure(client, to, context, where)
        if to.user or to.password:
            client.login(to.user, to.password)
        yield client
        with suppress(smtplib.SMTPException, OSError):  # it has the message: a bad farewell changes nothing
            client.quit()
    finally:
        late.cancel()
        client.close()


def _secure(client: smtplib.SMTP, to: Server, context: ssl.SSLContext, where: str) -> None:
    if to.tls:
        return
    if client.has_extn("starttls"):
        client.starttls(context=context)
        client.ehlo()
    elif not is_loopback(to.host):
        raise RegistryError("the mail server offers no STARTTLS", where, "use smtps://, or a server that has it")


def _told(error: Exception, where: str, channel: Channel) -> RegistryError:
    """What a failure means; the text of the server or library is left out."""
    later = "send it again later, and see that the mail server is up"
    if isinstance(error, ssl.SSLCertVerificationError):
        return RegistryError(
            "the mail server's certificate is not trusted", where, "name your own authority with SSL_CERT_FILE"
        )
    if isinstance(error, ssl.SSLError):
        return RegistryError(
            "TLS does not stand with the mail server", where, f"smtps:// or smtp://? See {channel.credential}"
        )
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
        if all(code in _PASSING for code in codes):
            return Transient(f"the mail server answered {min(codes)}", where, later)
        return RegistryError("the mail server refused all recipients", where, "correct the recipients in policy.yaml")
    if isinstance(error, smtplib.SMTPResponseException) and not isinstance(error, smtplib.SMTPConnectError):
        code = error.smtp_code
        if code in _PASSING or code < 0:
            return Transient(f"the mail server answered {code}", where, later)
        what = "does not know these credentials" if isinstance(error, smtplib.SMTPAuthenticationError) else "said no"
        return RegistryError(f"the mail server {what} ({code})", where, f"correct {channel.credential} or the sender")
    if isinstance(error, (smtplib.SMTPNotSupportedError, ValueError)):
        return RegistryError("the mail server cannot take this message or login", where, f"see {channel.credential}")
    if isinstance(error, socket.gaierror):
        return Transient("the mail server's name is not known", where, f"see {channel.credential}")
    return Transient(f"no answer from the mail server ({type(error).__name__})", where, later)
