"""`make terraform-test` says what it could not do, and takes from checkov nothing that has no reason."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from terraform import check, hcl

REASONS = yaml.safe_load((Path(hcl.HERE) / "checkov.yaml").read_text())
KNOWN = {"check": "CKV_GCP_28", "resources": [r'google_storage_bucket_iam_member\.public\["(avatars|hls)"\]']}


def test_a_finding_with_a_reason_is_taken() -> None:
    assert check.compare([("CKV_GCP_28", 'google_storage_bucket_iam_member.public["hls"]')], [KNOWN]) == ([], [])


def test_the_same_finding_about_something_else_is_not() -> None:
    failed = [
        ("CKV_GCP_28", 'google_storage_bucket_iam_member.public["codes"]'),
        ("CKV_GCP_28", 'module.other.google_storage_bucket_iam_member.public["hls"]'),
        ("CKV_GCP_99", 'google_storage_bucket_iam_member.public["hls"]'),
    ]
    assert check.compare(failed, [KNOWN])[0] == failed


def test_a_reason_that_nothing_needs_is_told() -> None:
    assert check.compare([], [KNOWN])[1] == ["CKV_GCP_28"]


def test_every_exception_has_its_reason_and_names_resources() -> None:
    for reason in REASONS:
        assert set(reason) == {"check", "resources", "why"}
        assert reason["resources"]
        assert len(reason["why"]) > 5
        assert all(re.compile(pattern) and pattern not in (".*", ".+") for pattern in reason["resources"])


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed: nothing to be without")
def test_without_a_provider_it_says_what_was_not_done_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{tmp_path}"\n  }}\n}}\n'
    (tmp_path / "terraformrc").write_text(empty)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "terraformrc"))
    monkeypatch.delenv("TF_STUB", raising=False)

    assert check.main() == 1

    said = capsys.readouterr().out
    assert "FAILED: no provider could be had and TF_STUB names no stand-in" in said
    assert "validate, test, plan and checkov were not done" in said


def test_without_terraform_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert check.main() == 1
    assert "terraform is not installed" in capsys.readouterr().out
