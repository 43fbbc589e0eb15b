from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import urls
from registry.errors import NotFound, Refused, RegistryError


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/acme/models",
        "https://github.com:8443/acme/models.git",
        "https://user@host.example/x",
        "HTTPS://host.example/x",
        "ssh://git@host.example:22/acme/models",
        "git@github.com:acme/models.git",
        "host:path/to/repo",
        "[::1]:repo",
        "http://localhost:8000/x",
        "http://127.0.0.1/x",
        "http://127.9.9.9/x",
        "http://[::1]:80/x",
    ],
)
def test_remote_addresses_are_kept_as_they_are(text: str) -> None:
    address = urls.parse(text)
    assert (address.text, address.local) == (text, False)


def test_a_path_and_a_file_url_are_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    expected = urls.Address(str(folder), local=True)
    assert urls.parse(str(folder)) == urls.parse(folder.as_uri()) == expected
    assert urls.parse(f"file://localhost{folder.as_uri()[7:]}") == expected
    assert urls.parse("a b", base=str(tmp_path)) == expected
    monkeypatch.chdir(tmp_path)
    assert urls.parse("a b") == expected


def test_a_folder_that_looks_like_a_remote_is_still_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "host:path").mkdir()
    monkeypatch.chdir(tmp_path)
    assert urls.parse("host:path").local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-u",
        "--upload-pack=touch x",
        "-oProxyCommand=touch x",
        "ext::sh -c touch% x",
        "EXT::sh",
        "fd::17",
        "fd::17/x",
        "http::https://host/x",
        "a-b::x",
        "a+b.c::x",
        "my-helper::https://host/x",
        "git://host.example/x",
        "ftp://host.example/x",
        "javascript://x/%0aalert",
        "s3://bucket/x",
        "unknown+https://host/x",
        "https://",
        "https:///x",
        "https://host.example:port/x",
        "https://host.example:99999/x",
        "https://[::1/x",
        "https://-host/x",
        "https://ho st/x",
        "https://host.example\n/x",
        "https://host.example/x\n--upload-pack=x",
        "https://host.example/\x00",
        "https://host.example/\x7f",
        "https://host.example/-x",
        "https://h\u043est.example/x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-user@host/x",
        "ssh://user@-host/x",
        "ssh://host/-x",
        "http://host.example/x",
        "http://10.0.0.1/x",
        "http://localhost.evil.example/x",
        "http://127.0.0.1@evil.example/x",
        "http://127.0.0.1.evil.example/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "file://host.example/etc",
        "file://..host/x",
        "https://host/" + "x" * 3000,
    ],
)
def test_what_git_would_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(Refused) as error:
        urls.parse(text)
    assert error.value.reason == "source-url"
    assert error.value.fix


@pytest.mark.parametrize(
    "text", ["missing", "./a:b", "/missing", "file:///missing", "file:///a%00b", "host:-oProxy", "host:"]
)
def test_a_folder_that_is_missing_is_not_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound):
        urls.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@host.example:port/x",
        "https://user:secret@-host/x",
        "https://user:sec@secret@-host/x",
        "https://a:secret@secret@host.example/x",
        "https://user:sec secret@-host/x",
        "ftp://secret@host.example/x",
        "http://user:secret@host.example/x",
        "https://user:p/secret@host.example/x",
        "https://user:p?secret@host.example/x",
        "https://user:secret@host.example/x\n",
        "https://user:" + "p" * 60 + "secret@host.example/x\n",
        "ext::https://user:secret@host.example/x",
        "file://user:secret@host.example/x",
    ],
)
def test_a_message_never_shows_a_password(text: str) -> None:
    with pytest.raises(Refused) as error:
        urls.parse(text)
    assert "secret" not in str(error.value)


def test_an_address_shows_itself_without_its_password() -> None:
    address = urls.parse("https://user:secret@host.example/x")
    assert str(address) == "https://***@host.example/x"
    assert urls.has_credentials(address.text)


@pytest.mark.parametrize("text", ["https://host.example/a@b", "git@host.example:x", "/a@b"])
def test_an_at_sign_elsewhere_is_no_credential(text: str) -> None:
    assert not urls.has_credentials(text)


@given(st.text(max_size=40) | st.text(alphabet="htps:/@[]-.a1%\\ \n?#ext", max_size=40))
def test_any_text_is_an_address_or_an_expected_error(text: str) -> None:
    try:
        address = urls.parse(text)
    except RegistryError:
        return
    if not address.local:
        assert not address.text.startswith("-")
        assert "::" not in address.text.partition("/")[0] or "[" in address.text
        assert address.text.isprintable() or not address.text.isascii()
