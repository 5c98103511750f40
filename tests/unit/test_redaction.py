"""Secrets in texts: none stays, in whatever form; the rest of the text stays as it was (group Z, and known values)."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from airbyte_workers.redaction import MASK, SHORTEST, TELLING_NAMES, Redactor

PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyji\nab=\n"
    "-----END PRIVATE KEY-----\n"
)
ODD = "p/ä+s\"w\\o'r&d=€ <😀>"
listed = Redactor(names=("foo", "bar"))


def lower_hex(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)


def in_json(text: str, *, ensure_ascii: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]


def url_safe(encoded: str) -> str:
    return encoded.translate(str.maketrans("+/", "-_"))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "JSON": in_json,
    "JSON with all letters": lambda text: in_json(text, ensure_ascii=False),
    "JSON in JSON": lambda text: in_json(in_json(text)),
    "JSON in JSON in JSON": lambda text: in_json(in_json(in_json(text))),
    "JSON with escaped slashes": lambda text: in_json(text).replace("/", "\\/"),
    "JSON with upper case hex": lambda text: re.sub(
        r"\\u\w{4}", lambda found: r"\u" + found[0][2:].upper(), in_json(text)
    ),
    "JSON for HTML": lambda text: re.sub("[<>&='+]", lambda found: f"\\u{ord(found[0]):04x}", in_json(text)),
    "URL": quote,
    "URL without exceptions": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: lower_hex(quote(text, safe="")),
    "URL as browsers do it": lambda text: quote(text, safe="!'()*"),
    "URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "form in lower case": lambda text: lower_hex(quote_plus(text)),
    "URL in JSON": lambda text: in_json(quote(text)),
    "XML": html.escape,
    "XML in a URL": lambda text: html.escape(quote(text)),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "repr in JSON": lambda text: in_json(repr(text)[1:-1]),
}

characters = st.characters(codec="utf-8", exclude_characters="*")
texts = st.text(characters)
secrets = st.one_of(
    st.text(characters, min_size=SHORTEST),
    st.text("ab\\\"'/&% +=\n", min_size=SHORTEST),
    st.text("ab", min_size=SHORTEST),
).filter(lambda secret: len(secret.strip("* \t\r\n\v\f")) >= SHORTEST)


def encodings_of(secret: str, text: str) -> list[str]:
    """The part of a base64 text that is the secret's alone, wherever the secret stands in it."""
    found = []
    for match in re.finditer(f"(?={re.escape(secret)})", text):
        before = len(text[: match.start()].encode())
        behind = before + len(secret.encode())
        encoded = base64.b64encode(text.encode()).decode()
        found.append(encoded[-(-before * 4 // 3) : behind * 4 // 3])
    return found


# --- known values ---


@pytest.mark.parametrize("secret", ["hunter2/3", ODD, "a b+c%d", "\\\\server\\share\\", '{"a": "b\\n"}', "žluťoučký"])
def test_a_known_value_is_masked_in_every_spelling(secret: str) -> None:
    redact = Redactor([secret])
    told = {name: redact(f"before {spelt(secret)} after") for name, spelt in SPELLINGS.items()}
    assert told == dict.fromkeys(SPELLINGS, f"before {MASK} after")


@given(secrets, texts, texts, st.sampled_from(sorted(SPELLINGS)))
@example("abab", "ab", "ab", "raw")
@example('a"b\\', "\\\\", '"', "JSON in JSON")
def test_no_text_around_it_saves_a_secret(secret: str, before: str, after: str, spelling: str) -> None:
    spelt = SPELLINGS[spelling]
    redacted = Redactor([secret])(before + spelt(secret) + after)
    core = secret.strip("* \t\r\n\v\f")
    assert core not in redacted
    assert spelt(core) not in redacted
    assert MASK in redacted


@given(secrets, st.text(characters, max_size=9), st.text(characters, max_size=9), st.booleans())
def test_no_neighbours_in_base64_save_a_secret(secret: str, before: str, after: str, url: bool) -> None:
    whole = before + secret + after
    encoded = base64.b64encode(whole.encode()).decode()
    redacted = Redactor([secret])(f"Authorization: Basic {url_safe(encoded) if url else encoded}")
    alone = encodings_of(secret.strip("* \t\r\n\v\f"), whole)
    assert alone
    for part in alone:
        assert url_safe(part) not in url_safe(redacted)


@pytest.mark.parametrize("spelt", [str, url_safe, lambda text: quote(text, safe=""), in_json])
def test_basic_credentials_show_at_most_half_a_byte_of_the_password(spelt: Callable[[str], str]) -> None:
    secret = "p~ss?w>rd>>>???>~>~?>"
    redact = Redactor([secret])
    for user, after in itertools.product(["", "u", "us", "user", "a-longer-user"], ["", "x", "xy", "xyz"]):
        encoded = base64.b64encode(f"{user}:{secret}{after}".encode()).decode()
        redacted = redact(f"basic {spelt(encoded)} sent")
        head, _, tail = redacted.removeprefix("basic ").removesuffix(" sent").partition(MASK)
        assert len(head) <= -(-(len(user) + 1) * 4 // 3)
        assert len(tail) <= len(spelt("/")) * (-(-len(after) * 4 // 3) + 3)


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_secret_in_json_in_base64_is_masked(ensure_ascii: bool) -> None:
    encoded = base64.b64encode(json.dumps({"key": ODD}, ensure_ascii=ensure_ascii).encode()).decode()
    redacted = Redactor([ODD])(f"-{encoded}-")
    assert len(redacted) <= len('{"key": ""}') * 4 / 3 + 4 + len(f"-{MASK}-")


@given(st.lists(secrets, max_size=5), texts)
def test_redacting_again_changes_nothing(values: list[str], text: str) -> None:
    redact = Redactor(values, names=["foo"])
    once = redact(text + "".join(values) + json.dumps({"foo": values, text: text}))
    assert redact(once) == once


@given(st.text("abcdefgh", min_size=SHORTEST), st.text("12345 :;{}[]\"'\\/,=&?%+\n"))
def test_a_text_without_the_secret_stays_as_it_is(secret: str, text: str) -> None:
    assert Redactor([secret])(text) == text


@pytest.mark.parametrize("secret", [*("", "a", "abc", "***", "**abc**", " abc\n"), "\n\n\n\n", "*" * 20])
def test_a_value_too_short_to_be_told_from_ordinary_text_stays(secret: str) -> None:
    text = f"abc {secret} abcd"
    assert Redactor([secret])(text) == text


def test_a_secret_with_asterisks_at_its_ends_is_masked_and_a_mask_is_not_masked_again() -> None:
    redact = Redactor(["**star*s**", "*****", "one line\n**and another**\n"])
    assert redact("x **star*s** y **and another** z") == f"x **{MASK}** y **{MASK}** z"
    assert redact(MASK) == MASK


def test_a_secret_that_holds_another_is_replaced_whole() -> None:
    redact = Redactor(["word", "password123", "pass"])
    assert redact("password123 word pass wordpass") == f"{MASK} {MASK} {MASK} {MASK}{MASK}"


def test_of_two_secrets_that_overlap_nothing_stays() -> None:
    assert Redactor(["abcdef", "defghi"])("-abcdefghi-") == f"-{MASK}-"
    assert Redactor(["abab"])("-ababab-") == f"-{MASK}-"


@pytest.mark.parametrize("text", [PEM, PEM.strip(), in_json(PEM), PEM.replace("\n", "\r\n"), quote(PEM), repr(PEM)])
def test_a_secret_of_several_lines_is_masked_as_a_whole(text: str) -> None:
    redacted = Redactor([PEM])(f"key: {text}")
    assert "".join(redacted.split()) in (f"key:{MASK}", f"key:{MASK}\\n", f"key:{MASK}%0A", f"key:'{MASK}\\n'")


def test_the_lines_of_a_secret_are_masked_one_by_one_when_they_are_long_enough() -> None:
    shown = [Redactor([PEM])(f"  {line}") for line in PEM.splitlines()]
    assert shown == [f"  {MASK}"] * 4 + ["  ab="] + [f"  {MASK}"]


def test_what_is_secret_inside_of_a_secret_that_is_json_is_masked_by_itself() -> None:
    account = json.dumps({"type": "service_account", "private_key": PEM, "deep": [{"client_secret": "c1ient"}]})
    redact = Redactor([account])
    assert redact(f"signing with {PEM}") == f"signing with {MASK}\n"
    assert redact("c1ient of a service_account") == f"{MASK} of a service_account"
    assert redact(account) == MASK


@pytest.mark.parametrize("secret", ["{not json", "[1, 2", "[" * 1_500, '{"a": 1e999}', "[NaN]"])
def test_a_secret_that_only_looks_like_json_is_a_secret_all_the_same(secret: str) -> None:
    assert Redactor([secret])(f"<{secret}>") == f"<{MASK}>"


def test_a_very_long_secret_is_masked_wherever_its_text_goes_on() -> None:
    secret = "".join(f"{number:x}" for number in range(3_000))[:7_200]
    redact = Redactor([secret])
    assert set(redact(f"-{secret}-")) == set("*-")
    assert set(redact(f"-{base64.b64encode(secret.encode()).decode()}")) <= set("*-=")
    assert redact.reach < 50_000


@given(secrets, texts, st.integers(0, 30))
def test_up_to_a_limit_no_part_of_a_secret_stays(secret: str, after: str, limit: int) -> None:
    core = secret.strip("* \t\r\n\v\f")
    assume(not set(core) & set(",*"))
    redacted = Redactor([secret])("," * 10 + core + after, limit=limit)
    assert redacted.startswith("," * min(limit, 10))
    assert redacted[10:].startswith(MASK) or limit <= 10


@pytest.mark.parametrize("spelling", ["raw", "JSON", "repr of bytes", "URL in a URL"])
def test_a_limit_is_looked_behind_as_far_as_the_longest_secret_goes(spelling: str) -> None:
    secret = ODD * 50
    text = f"--{SPELLINGS[spelling](secret)}--"
    assert [Redactor([secret])(text, limit=limit) for limit in (2, 3, 500)] == ["--", f"--{MASK}", f"--{MASK}"]


def test_a_text_longer_than_a_limit_is_looked_at_only_as_far_as_it_matters() -> None:
    redact = Redactor(["hunter2"])
    assert redact("a" * 10_000_000, limit=5) == "aaaaa"
    assert redact("abcd", limit=10) == "abcd"
    assert redact("abcd hunter2 hunter2", limit=3) == "abc"
    assert redact('"password": "' + "x" * 10_000_000, limit=20) == f'"password": "{MASK}'


@given(st.lists(st.text(st.characters())), st.lists(st.text(st.characters())), st.text(st.characters()))
@example(["\ud800\udc00\udfff\0"], ["", "_", "\ud800"], '\ud800": "\udfff')
def test_no_secret_no_name_and_no_text_is_odd_enough_to_stop_it(values: list[str], names: list[str], text: str) -> None:
    redact = Redactor(values, names=names)
    assert len(redact(text, leg="destination", limit=7)) <= 7 * len(MASK)
    assert redact("".join(values)) == redact(redact("".join(values)))


@pytest.mark.parametrize(
    "text", ["\\" * 100_000, '"' * 100_000, "'\\" * 50_000, '"a"' + " " * 100_000, "[" * 100_000, "a" * 100_000 + "="]
)
def test_no_text_is_odd_enough_to_take_long(text: str) -> None:
    """The test's own time limit is the limit: what takes squares of a length takes minutes here."""
    redact = Redactor(["\\" * 8 + "x", "\"'\\/", "\\n\n", ODD * 40 + "x"], names=["foo"])
    for before in ("", '"foo": [', '"foo": "', "foo=", ODD * 500, quote(ODD) * 500):
        assert len(redact(before + text)) <= len(before + text) + len(MASK)


# --- values beside a telling name ---


def test_z1_listed_properties_are_masked_and_the_others_kept() -> None:
    text = '{"foo":"test","other":{"prop":"value","bar":"1234"}}'
    assert listed(text) == f'{{"foo":"{MASK}","other":{{"prop":"value","bar":"{MASK}"}}}}'


@pytest.mark.parametrize("number", ["1234", "-1", "0.5", "1e10", "-1.5E+3"])
def test_z2_a_number_is_masked(number: str) -> None:
    assert listed(f'{{"foo": {number}, "x": 1}}') == f'{{"foo": "{MASK}", "x": 1}}'


@pytest.mark.parametrize("value", [r"\"test\"", r"a \"b\" c", r"\\", r"\\\"", r"a\\\\", "it's", r"\u0022\n"])
def test_z3_a_value_with_escaped_quotes_is_masked_whole(value: str) -> None:
    assert listed(f'{{"foo":"{value}","x":"y"}}') == f'{{"foo":"{MASK}","x":"y"}}'


@pytest.mark.parametrize(
    "text",
    [
        '{"food":"test","xfoo":{"prop":"value","barn":1}}',
        '{"x":"foo","y":"bar"}',
        '["foo", "bar", "password"]',
        '{"foo":null,"bar":true,"password":{"x":"y"},"token":[],"secret":""}',
    ],
)
def test_z4_a_text_without_a_value_of_a_listed_property_stays_as_it_is(text: str) -> None:
    assert listed(text) == text


@pytest.mark.parametrize(
    "text",
    ["foo bar", "the password: is wrong", "foo: bar", "next_page_token_count=3", "GET /bar/foo?x=1", "a = b", "=", ":"],
)
def test_z5_plain_text_stays_as_it_is(text: str) -> None:
    assert listed(text) == text


@given(st.text())
@example('{"foo":"test","bar":[1,2')
def test_z6_without_names_and_secrets_nothing_happens(text: str) -> None:
    """What is masked all the same has a name that is secret by itself."""
    assume(not any(name in text.replace("_", "").replace("-", "").casefold() for name in TELLING_NAMES))
    assert Redactor()(text) is text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x/y?a=1&hapikey=secret-key_1", f"https://x/y?a=1&hapikey={MASK}"),
        ("https://x/y?APIKEY=abc&a=1 done", f"https://x/y?APIKEY={MASK}&a=1 done"),
        ("https://x/y?x-api-key=a%2Fb#c", f"https://x/y?x-api-key={MASK}"),
        ('{"url":"https://x?access_token=abc\\u0026a=1"}', f'{{"url":"https://x?access_token={MASK}\\u0026a=1"}}'),
        ('{"url":"https://x?token\\u003dabc"}', f'{{"url":"https://x?token\\u003d{MASK}"}}'),
        ('{"url":"https://x?token=","b":"c"}', '{"url":"https://x?token=","b":"c"}'),
        ("jdbc:sqlserver://h;user=sa;password=abc;x=1", f"jdbc:sqlserver://h;user=sa;password={MASK};x=1"),
        ("grant_type=x&client_secret=abc", f"grant_type=x&client_secret={MASK}"),
        ("Config(host='h', password='a b', n=1)", f"Config(host='h', password='{MASK}', n=1)"),
        (r'{"m":"password=\"a b\" n=1"}', rf'{{"m":"password=\"{MASK}\" n=1"}}'),
        ("see database.password=abc", f"see database.password={MASK}"),
    ],
)
def test_z7_what_stands_behind_an_equals_sign_is_masked(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('Received invalid message: {"a": "b"} x', f"Received invalid message:{MASK}"),
        ("INSERT INTO t (a) values ('UUID', 1);\nmore", f"INSERT INTO t (a) values ({MASK}"),
        ("insert into t VALUES\n(1), (2)", f"insert into t VALUES\n({MASK}"),
        ("Received invalid message:", "Received invalid message:"),
        ("no values here (1)", "no values here (1)"),
    ],
)
def test_z8_what_a_destination_quotes_of_its_data_is_masked_and_nobody_elses(text: str, shown: str) -> None:
    redact = Redactor()
    assert redact(text, leg="destination") == shown
    assert redact(text, leg="source") == redact(text) == text


@pytest.mark.parametrize("name", ["apiKey", "api-key", "API_KEY", "apikey", "ApI__kEy-"])
def test_names_are_the_same_whatever_their_case_and_dashes(name: str) -> None:
    assert Redactor()(f'{{"{name}": "x"}}') == f'{{"{name}": "{MASK}"}}'
    assert Redactor(names=[name])('{"a_pi-key": "x"}') == f'{{"a_pi-key": "{MASK}"}}'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('["a", "b"]', f'"{MASK}"'),
        ('[ "a]", "\\"b", 3, null ]', f'"{MASK}"'),
        ('[["a"], ["b"]]', f'"{MASK}"'),
        ('["a", "b', f'"{MASK}"'),
        ('["a", ', f'"{MASK}"'),
        ('[{"bar": "a"}, {"x": "b"}]', f'[{{"bar": "{MASK}"}}, {{"x": "b"}}]'),
        ('{"x": "a", "bar": "b"}', f'{{"x": "a", "bar": "{MASK}"}}'),
        ('"a cut-off val', f'"{MASK}'),
        ('"a cut-off val\\', f'"{MASK}'),
        ("12", f'"{MASK}"'),
        ("", ""),
    ],
)
def test_lists_are_masked_objects_searched_and_what_is_cut_off_masked_to_its_end(value: str, shown: str) -> None:
    assert listed(f'LOG {{"x" : 1, "foo" : {value}') == f'LOG {{"x" : 1, "foo" : {shown}'


@pytest.mark.parametrize("value", ['"a"', "12", '["a", "b"]', '"\\"a\\" \\\\"'])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_json_within_strings_stays_json(value: str, depth: int) -> None:
    text = f'{{"foo":{value},"x":["y"]}}'
    for level in range(depth):
        text = json.dumps({"level": level, "message": f"got {text} from it"})
    shown = listed(text)
    for _ in range(depth):
        shown = json.loads(shown)["message"].removeprefix("got ").removesuffix(" from it")
    assert json.loads(shown) == {"foo": MASK, "x": ["y"]}


def test_a_string_cut_off_within_another_ends_with_that() -> None:
    text = r'{"m":"{\"foo\":\"ab","x":"{\"foo\":[\"a\",","y":"z"}'
    assert listed(text) == rf'{{"m":"{{\"foo\":\"{MASK}","x":"{{\"foo\":\"{MASK}\"","y":"z"}}'


@pytest.mark.parametrize("value", ["'a'", '"it\'s"', "'it\\'s'", "b'a'", "7", "['a', 'b']"])
def test_what_python_shows_of_a_dict_is_masked_as_well(value: str) -> None:
    assert MASK in (shown := listed(f"{{'foo': {value}, 'x': 'y'}}"))
    assert shown.endswith(", 'x': 'y'}")
    assert len(shown) <= len(f"{{'foo': b'{MASK}', 'x': 'y'}}")


def test_a_number_that_begins_as_a_secret_does_is_masked_once_and_as_a_string() -> None:
    assert Redactor(["1234"], names=["pin"])('{"pin": 12345678}') == f'{{"pin": "{MASK}"}}'


def test_a_secret_equal_to_a_telling_name_hides_no_value() -> None:
    assert Redactor(["token"])('{"token": "fresh"}') == f'{{"{MASK}": "{MASK}"}}'


@given(
    st.dictionaries(
        st.sampled_from(["foo", "bar", "x"]), st.recursive(st.text() | st.integers(), st.lists, max_leaves=5)
    )
)
def test_of_any_json_the_rest_is_kept_as_it_was(value: dict[str, object]) -> None:
    shown = json.loads(listed(json.dumps(value)))
    assert shown.keys() == value.keys()
    assert shown.get("x") == value.get("x") or "foo" in json.dumps(value.get("x")) or "=" in json.dumps(value)
    for name in ("foo", "bar"):
        assert shown.get(name) in (MASK, None, "", [])
