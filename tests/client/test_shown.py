"""What people are shown: no secret, no control character, no wall of words, no markup out of data."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from errors import UnreadableFile
from evergreen_client.shown import MASK, gist, markdown, masked, plain, said

SIGNS = st.text(st.sampled_from(list("/:@?#&=%+;,.!$'\"()[]{}<>|\\~^-_ üß€0123456789abcXYZ")), max_size=12)
SCHEMES = ("ftp", "s3", "https", "postgresql", "postgresql+psycopg", "mysql", "redis", "sftp", "abfs")
KINDS = (
    "{scheme}://me:{password}@host/rows.csv",
    "{scheme}://:{password}@host:21/rows",
    "{scheme}://me@mail:{password}@host",
    "cannot open {scheme}://me:{password}@host: it is not there",
    "'{scheme}://me:{password}@host/a.csv' and {scheme}://host/b.csv",
    "{scheme}://other:{password}@host/a.csv: it holds what {scheme}://me:{password}@host/b.csv held",
    "{scheme}://me:{password}@",
    "zip://in/rows.csv::{scheme}://me:{password}@host/rows.zip",
)
IN_QUERY = (
    "{scheme}://host/db?password={password}",
    "{scheme}://host/db?sslmode=require&sslpassword={password}&user=me",
    "{scheme}://host/rows.csv?X-Amz-Date=1&X-Amz-Signature={password}",
    "https://host/c/rows.csv?sv=1&sig={password}",
    "https://host/rows.csv?token={password}#top",
    "host=localhost passphrase={password} dbname=x",
    "DefaultEndpointsProtocol=https;AccountKey={password};",
    "{{'key': 'a', 'password': 'x{password}', 'host': 'h'}}",
)


def secret_of(signs: str) -> str:
    """A password that stands nowhere else in the text, whatever signs are in it."""
    return f"Qx7{signs}7xQ"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SCHEMES), st.sampled_from(KINDS), SIGNS)
@example("ftp", KINDS[0], "/:@?#")
@example("ftp", KINDS[3], " a b@c ")
@example("s3", KINDS[5], "//@")
def test_no_password_before_a_host_is_shown(scheme: str, kind: str, signs: str) -> None:
    """Whatever is in it, and however little a URL it makes: no piece of it is left."""
    text = kind.format(scheme=scheme, password=secret_of(signs))
    shown = masked(text)
    assert "Qx7" not in shown
    assert "7xQ" not in shown
    assert MASK in shown
    assert masked(shown) == shown


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SCHEMES), st.sampled_from(IN_QUERY), SIGNS)
def test_no_password_in_a_query_is_shown(scheme: str, kind: str, signs: str) -> None:
    """Names such as password, token and sig say what follows; a blank ends it."""
    assume(" " not in signs and "'" not in signs)
    shown = masked(kind.format(scheme=scheme, password=secret_of(signs)))
    assert "Qx7" not in shown
    assert "7xQ" not in shown
    assert masked(shown) == shown


def test_what_a_library_hid_by_half_is_hidden_whole() -> None:
    """SQLAlchemy takes a password to end at its first @."""
    assert masked("postgresql://me:***@secret@host/x") == "postgresql://me:***@host/x"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_what_was_masked_stays(text: str) -> None:
    """An error may be built from another one's parts."""
    assert said(said(text)) == said(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:4200/api: it gives no answer; write to bob@example.org",
        "postgresql://reader@host:5432/shop#orders",
        "sqlite:////data/registry.db",
        "s3://bucket/day=1/user@2x.csv: it is empty",
        "https://host/rows.csv?email=a@b.c",
        "it has no 'token' (did you mean 'key'?)",
        "Schema(time='at', key=('id',), target='secret')",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A message must still say where to look."""
    assert masked(text) == text


def test_what_the_environment_holds_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source's path is filled in from there; where the value goes, the message need not know."""
    monkeypatch.setenv("SHOP_API_KEY", "abcd/efgh+1")
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")
    assert masked("https://host/abcd/efgh+1/rows.csv") == "https://host/***/rows.csv"
    assert masked("postgresql://host") == "postgresql://host"


def test_an_error_shows_no_secret_and_no_control_character() -> None:
    """Whoever raises one need not think of it."""
    error = UnreadableFile("ftp://me:a@b/c@host/\x1b[31mrows\n.csv", f"it is odd: {'x' * 5_000}", "see ?token=abc")
    assert "a@b/c" not in str(error)
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 4_500
    assert "abc" not in str(error)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_plain_text_can_be_printed_and_stored(text: str) -> None:
    """One line, no escape sequence, UTF-8."""
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not re.search("[\x00-\x1f\x7f-\x9f]", shown)
    shown.encode()


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            ValueError("could not convert string to float: 'Anna Berg'"),
            "ValueError: could not convert string to float: …",
        ),
        (KeyError("Anna"), "KeyError: …"),
        (
            ValueError('conversion failed for 2 values: ["Anna", "Berg"]'),
            "ValueError: conversion failed for 2 values: …",
        ),
        (FileNotFoundError(2, "No such file or directory", "Anna"), "FileNotFoundError: No such file or directory"),
        (ValueError("bad b'Anna'"), "ValueError: bad …"),
        (ValueError("first\nAnna"), "ValueError: first"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_librarys_error_is_told_without_what_it_quotes(error: Exception, shown: str) -> None:
    """What it quotes is as likely a row's value as a name."""
    assert gist(error) == shown


def test_markdown_out_of_data_is_text() -> None:
    """No table breaks, nothing is a tag, a link or code."""
    shown = markdown("<script>x</script>|`a`\n[b](javascript:c) **d** # e")
    assert not re.search(r"[<>|`\[\]*\n]", shown)
    assert "script&#62;x" in shown
