"""The payload that Python writes, read back in Python and, bit by bit, by the view's own reader."""

import json
import re
import struct
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from thoughtscope.app.traceview import MODULES, TraceFeed, css, javascript, pack, to_html

DTYPES = {"f4": "<f4", "f8": "<f8", "i4": "<i4", "u1": "u1"}


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Head and columns, read by the layout in the module's docstring."""
    assert payload[:4] == b"TSV1"
    (length,) = struct.unpack("<I", payload[4:8])
    head, body = json.loads(payload[8 : 8 + length]), payload[8 + length :]
    assert (8 + length) % 8 == 0 and all(offset % 8 == 0 for _, offset, _ in head["columns"].values())
    index = head["columns"].items()
    return head, {name: np.frombuffer(body, DTYPES[kind], n, offset) for name, (kind, offset, n) in index}


def packed(runs: ModuleType, **said: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The small run, packed and read back."""
    return unpack(pack(runs.TEXTS, runs.signals(), run="a", columns=runs.columns(), events=runs.EVENTS, **said))


def test_whole_run(runs: ModuleType) -> None:
    """Six tokens; the forced token's entropy is NaN although a value is stored; bands only where there is a null."""
    head, columns = packed(runs, prompt="How many?")
    assert (head["start"], head["count"], head["texts"], head["prompt"]) == (0, 6, runs.TEXTS, "How many?")
    np.testing.assert_allclose(columns["entropy.value"], np.float32([0.1, 2.0, 0.3, 0.4, np.nan, 0.5]))
    assert "entropy.low" not in columns and columns["mutual_information.high"][1] == 2.0
    assert columns["id"].tolist() == [100, 101, 102, 103, 104, 105]
    assert [lane["oracle"] for lane in head["lanes"]] == [False, True]
    assert head["lanes"][0]["peaks"] == [1] and head["lanes"][0]["domain"] == [0.0, None]


def test_delta_holds_the_tail_and_indices_of_the_whole(runs: ModuleType) -> None:
    """From token 4: two texts, two rows a column, while peaks and events keep their token numbers."""
    head, columns = packed(runs, start=4, seq=9)
    assert head["texts"] == runs.TEXTS[4:] and head["count"] == 6 and head["seq"] == 9
    assert {len(values) for values in columns.values()} == {2}
    assert columns["forced"].tolist() == [1, 0] and head["lanes"][0]["peaks"] == [1]


def test_forced_tokens_name_their_author(runs: ModuleType) -> None:
    """Token 4 was forced, and the last event at or before it that forced anything is the stop's."""
    head, _ = packed(runs)
    assert head["forced_by"] == {"4": "stop"}
    assert head["events"][0] == {"token": 2, "kind": "alpha", "label": "α = 25", "by": "overclock"}
    assert [event["kind"] for event in head["events"]] == ["alpha", "stop", "pause"]


def test_numbers_that_json_has_no_word_for_become_null(runs: ModuleType) -> None:
    """An infinite prediction of the remaining tokens is no prediction."""
    head, _ = packed(runs, remaining=float("inf"))
    assert head["remaining"] is None


def test_lengths_and_names_are_checked(runs: ModuleType) -> None:
    """A short column, an unknown column and a start beyond the end are refused with the numbers."""
    with pytest.raises(ValueError, match=r"id has shape \(5,\).*6 tokens"):
        pack(runs.TEXTS, {}, run="a", columns={"id": np.zeros(5)})
    with pytest.raises(ValueError, match=r"\['surprise'\].*id, segment"):
        pack(runs.TEXTS, {}, run="a", columns={"surprise": np.zeros(6)})
    with pytest.raises(ValueError, match=r"start is 7.*0\.\.6"):
        pack(runs.TEXTS, {}, run="a", columns={}, start=7)


def test_an_empty_run_packs() -> None:
    """Before the first token there is a payload already: it empties the view and starts the clock for latencies."""
    head, columns = unpack(pack([], {}, run="new", columns={}, state="running"))
    assert head["count"] == 0 and columns == {}


def test_feed_sends_all_then_tails_then_all_when_asked() -> None:
    """Whole while shorter than 600; then from 64 before what was sent; whole again for a new request or a new run."""
    feed = TraceFeed()
    assert feed.start("a", 599, None) == 0
    assert feed.start("a", 700, None) == 599 - 64
    assert feed.start("a", 710, {"have": 3, "at": 5.0}) == 0
    assert feed.start("a", 720, {"have": 3, "at": 5.0}) == 710 - 64
    assert feed.start("b", 900, {"have": 3, "at": 5.0}) == 0
    assert feed.seq == 5


@pytest.mark.parametrize("host", ["streamlit", "page"])
def test_modules_join_into_one(host: str) -> None:
    """No import is left, the only export is the host's default, and no two modules declare the same top-level name."""
    source = javascript(host)
    assert "import " not in re.sub(r"//.*", "", source)
    exports = re.findall(r"^export (.*) \{$", source, re.MULTILINE)
    assert exports == {"streamlit": ["default function host({ data, parentElement, setStateValue })"], "page": []}[host]
    names = re.findall(r"^(?:async )?(?:const|let|function|class) (\w+)", source, re.MULTILINE)
    assert len(names) > 20 and len(names) == len(set(names))
    assert len(MODULES) == 7


@pytest.mark.parametrize("host", ["streamlit", "page"])
def test_the_view_never_parses_text_as_html_and_asks_nobody(host: str) -> None:
    """No way to parse a string as HTML is in the source, nor to run one, and no address."""
    source = javascript(host) + css()
    for word in "innerHTML outerHTML insertAdjacentHTML document.write eval( http: https: fetch(".split():
        assert word not in source, word


def test_page_is_self_contained(runs: ModuleType) -> None:
    """A token that closes a script cannot: data is base64, the title is escaped, and the policy forbids the network."""
    texts = ["</script><b>", *runs.TEXTS[1:]]
    page = to_html(pack(texts, runs.signals(), run="a", columns=runs.columns()), title="<b>")
    assert "</script><b>" not in page and "<title>&lt;b&gt;</title>" in page
    assert "default-src 'none'" in page and page.count("<script") == page.count("</script>") == 2
