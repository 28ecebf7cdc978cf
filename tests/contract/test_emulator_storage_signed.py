"""Signed addresses of the embedded Cloud Storage: for whom, for how long, and for which file they are good."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from emulators.storage import Storage
from shared.ports import files as port
from tests.contract.storage_world import ACCOUNT, Clock, stored, write

pytest_plugins = ["tests.contract.storage_plugin"]


def signed(name: str, **options: Any) -> str:
    given: dict[str, Any] = {"signed_at": datetime.now(UTC), "expires_in": timedelta(minutes=5), "filename": None}
    given |= options
    return port.signed_url("documents", name, **given)


def test_a_signed_address_downloads_the_file_as_an_attachment(storage: Storage) -> None:
    assert storage.host
    write("reports/ä.csv", b"1;2")
    answer = requests.get(signed("reports/ä.csv", filename='May "ä".csv'), timeout=10)
    assert (answer.status_code, answer.content) == (200, b"1;2")
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"May ___.csv\"; filename*=UTF-8''May%20%22%C3%A4%22.csv"


def test_a_signed_address_without_a_name_is_an_attachment_still(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    assert requests.get(signed("a"), timeout=10).headers["content-disposition"] == "attachment"


def test_a_signed_address_expires(storage: Storage, storage_clock: Clock) -> None:
    assert storage.host
    write("a", b"x")
    url = signed("a", expires_in=timedelta(minutes=5))
    storage_clock.ahead = timedelta(minutes=4)
    assert requests.get(url, timeout=10).status_code == 200
    storage_clock.ahead = timedelta(minutes=6)
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, "ExpiredToken" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("/documents/a?", "/documents/b?"), ("X-Goog-Expires=300", "X-Goog-Expires=600"), ("attachment", "inline")],
)
def test_a_changed_signed_address_is_refused(storage: Storage, old: str, new: str) -> None:
    assert storage.host
    write("a", b"x")
    write("b", b"secret")
    url = signed("a")
    assert old in url
    answer = requests.get(url.replace(old, new), timeout=10)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)


def test_a_signed_get_does_not_write(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    assert requests.put(signed("a"), b"changed", timeout=10).status_code == 403
    assert stored("a") == b"x"


def test_a_signed_put_writes_with_the_headers_it_was_signed_for(bucket: Any) -> None:
    url = bucket.blob("upload").generate_signed_url(
        version="v4",
        method="PUT",
        expiration=timedelta(minutes=5),
        content_type="image/png",
        api_access_endpoint=os.environ["STORAGE_EMULATOR_HOST"],
        credentials=port._signing_credentials_of(os.getpid(), os.environ["STORAGE_EMULATOR_HOST"], ACCOUNT),
    )
    assert requests.put(url, b"<html>", headers={"content-type": "text/html"}, timeout=10).status_code == 403
    assert requests.put(url, b"png", headers={"content-type": "image/png"}, timeout=10).status_code == 200
    assert bucket.get_blob("upload").content_type == "image/png"


def upload(name: str, body: bytes, changed: Mapping[str, str] | None = None) -> tuple[int, str]:
    """PUT to a signed address as whoever was given it; status and text of the answer."""
    url, headers = port.signed_upload(
        "documents",
        name,
        signed_at=datetime.now(UTC),
        expires_in=timedelta(minutes=5),
        content_type="text/csv",
        bytes_max=10,
    )
    answer = requests.put(url, body, headers=headers | dict(changed or {}), timeout=10)
    return answer.status_code, answer.text


def test_a_signed_upload_takes_one_file_of_the_length_it_was_signed_for(storage: Storage) -> None:
    assert storage.host
    assert upload("a", b"")[0] == 400
    status, said = upload("a", b"x" * 11)
    assert (status, "EntityTooLarge" in said) == (400, True)
    assert upload("a", b"x" * 10)[0] == 200
    assert upload("a", b"other")[0] == 412
    assert stored("a") == b"x" * 10


@pytest.mark.parametrize(
    "changed",
    [{"x-goog-content-length-range": "1,99"}, {"x-goog-if-generation-match": "1"}, {"Content-Type": "text/html"}],
)
def test_a_signed_upload_is_refused_with_other_headers(changed: dict[str, str], storage: Storage) -> None:
    assert storage.host
    assert upload("a", b"x", changed)[0] == 403


def test_an_address_that_would_live_longer_than_seven_days_is_refused(storage: Storage) -> None:
    assert storage.host
    with pytest.raises(ValueError, match="7 days"):
        signed("a", expires_in=timedelta(days=8))
