"""The web site's texts and modules: every message in every language, used, and of a length that fits; typed modules."""

import json
import re
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest

from emulators import bootstrap, contract
from functions.pages import words
from shared.messages.wording import LANGUAGES

PAGES = contract.FUNCTIONS / "pages"
LONGER = 1.4
SHORT = 14  # characters that a short label may have more: a word of three letters has no translation of four
GIVEN = re.compile(r"say\(\s*['\"]([a-z_0-9]+)['\"]")


def forms(message: words.Message) -> dict[str, str]:
    """The texts of a message by form."""
    return {"": message} if isinstance(message, str) else dict(message)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_message_with_the_same_values(language: Any) -> None:
    english, other = words.messages("en"), words.messages(language)
    assert list(other) == list(english)
    for name, message in english.items():
        assert forms(other[name]).keys() == forms(message).keys(), name
        for form, text in forms(message).items():
            assert fields(forms(other[name])[form]) == fields(text), name
            assert forms(other[name])[form].strip() == forms(other[name])[form] != "", name


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_translation_is_at_most_two_fifths_longer(language: Any) -> None:
    for name, message in words.messages("en").items():
        for form, text in forms(message).items():
            translated = forms(words.messages(language)[name])[form]
            assert len(translated) <= max(len(text) * LONGER, len(text) + SHORT), f"{language} {name}: {translated}"


def test_a_message_is_used_and_what_is_used_is_there() -> None:
    files = [path for folder in ("a", "templates") for path in (PAGES / folder).iterdir()] + list(PAGES.glob("*.py"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    known = set(words.messages("en"))
    assert {name for name in GIVEN.findall(text) if not name.endswith("_")} - known == set()
    made = ("status_", "treasury_", "badge_", "problem_")  # names that are put together from a state
    quoted = {name for name in known if re.search(rf"['\"`]{name}['\"`]", text)}
    assert {name for name in known - quoted if not name.startswith(made)} == set()


def test_messages_are_plain_text() -> None:
    for language in LANGUAGES:
        text = (PAGES / "messages" / f"{language}.json").read_text(encoding="utf-8")
        assert not re.search(r"[<>&\\]", text)
        pairs = json.loads(text, object_pairs_hook=list)
        assert len(pairs) == len(dict(pairs)), "a message is written twice"


def test_no_page_has_a_script_or_a_style_in_its_text() -> None:
    for path in (PAGES / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text), path.name
        for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
            assert not content or 'type="application/json"' in attributes, path.name


def test_no_module_reads_text_as_html_or_keeps_anything_in_the_browser() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|sessionStorage|DOMParser"
    for path in (PAGES / "a").glob("*.js"):
        assert not re.search(forbidden, path.read_text(encoding="utf-8")), path.name


def test_modules_call_only_operations_of_the_contract() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (PAGES / "a").glob("*.js"))
    called = {
        re.sub(r"\$\{[^}]*\}", "7500", found).partition("?")[0] for found in re.findall(r"[`\"](/v1/[^`\"]*)", text)
    }
    assert called
    for path in called:
        assert any(each.method == "GET" and each.matches(path) for each in contract.operations()), path


def test_modules_are_typed(tmp_path: Path) -> None:
    for path in (PAGES / "a").glob("*.js"):
        shutil.copy(path, tmp_path / path.name)
    command = [*bootstrap.node(), str(bootstrap.contract_tools() / "node_modules" / "typescript" / "bin" / "tsc")]
    options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "es2022",
               "--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"]  # fmt: skip
    done = subprocess.run(
        [*command, *options, *sorted(map(str, tmp_path.glob("*.js")))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
