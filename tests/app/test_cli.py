"""The command line on the bundled model: what is printed, and what is saved.

No text is pinned: the model may be trained again.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from thoughtscope.probes import Recording

ASKED = "Ava has 3 apples. Tom has 2 more apples than Ava. How many apples does Tom have?"
RECORD_KEYS = {
    "file", "model", "engine", "seed", "token_ids", "text", "thinking_tokens", "answer", "correct", "stop_reason",
    "tokens_per_second", "events",
}  # fmt: skip
SIGNAL_KEYS = {"unit", "alignment", "oracle", "values", "null"}


def test_record_prints_what_was_saved(recorded, tmp_path):
    """Exactly the promised keys; tokens, text and judgement are those of the file, beside which there is no journal."""
    said = recorded("-o", tmp_path / "a.safetensors", "--seed", 3, asked=("--problem", "dev-0"))
    assert set(said) == RECORD_KEYS
    run = Recording.load(said["file"])
    assert said["token_ids"] == run.column("token_id").tolist()
    assert said["text"] == run.text
    assert len(said["token_ids"]) <= 24
    assert (said["model"], said["engine"], said["seed"]) == ("sample", "native", 3)
    for key in ("thinking_tokens", "answer", "correct", "stop_reason", "tokens_per_second"):
        assert said[key] == run.meta[key], key
    assert said["correct"] in (True, False)  # a bundled problem is always judged
    assert said["events"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_record_shows_the_text_while_it_comes(command, own_library):
    """Without --json: the text, then what was found and where it is."""
    code, out, _ = command("record", ASKED, "--max-tokens", 10)
    (path,) = own_library.iterdir()
    run = Recording.load(path)
    assert code == 0
    assert out.startswith(run.text)
    assert out.endswith(f"saved {path}\n")
    assert f"{run.n_tokens} tokens" in out


def test_the_library_is_where_thoughtscope_home_says(recorded, own_library):
    """Two runs of one question in one second: two files in the folder that the environment names, unjudged."""
    one, other = recorded(tokens=2), recorded(tokens=2)
    assert {Path(one["file"]), Path(other["file"])} == set(own_library.iterdir())
    assert one["file"] != other["file"]
    assert one["correct"] is None


def test_a_gold_answer_judges_a_typed_question(recorded):
    """Two tokens of thinking hold no answer, so against 5 the verdict is wrong, and without it there is none."""
    assert recorded("--gold", 5, tokens=2)["correct"] is False


def test_temperature_0_is_greedy(recorded):
    """Two seeds, the same tokens; at temperature 10 the words are nearly equally likely, and the seeds differ."""
    greedy = [recorded("--temperature", 0, "--seed", seed)["token_ids"] for seed in (0, 1)]
    hot = [recorded("--temperature", 10, "--seed", seed)["token_ids"] for seed in (0, 1)]
    assert greedy[0] == greedy[1]
    assert hot[0] != hot[1]


def test_a_budget_of_5_gives_6_thinking_tokens(recorded):
    """Five tokens and the closing mark, which is forced at token 5 and says by whom."""
    said = recorded("--policy", "budget:tokens=5")
    assert said["thinking_tokens"] == 6
    (event,) = said["events"]
    assert event == {"token": 5, "control": "budget", "kind": "force", "value": 5, "tokens": 1}
    assert Recording.load(said["file"]).column("forced").tolist()[:7] == [0, 0, 0, 0, 0, 1, 0]


def test_both_engines_say_the_same(recorded):
    """The same seed on the other engine gives the same tokens; the file says which engine it was."""
    native, lens = (recorded("--engine", name, tokens=12) for name in ("native", "transformer_lens"))
    assert lens["token_ids"] == native["token_ids"]
    assert lens["engine"] == "transformer_lens"


def test_taps(recorded):
    """all keeps raw states, facts everything else, none the text."""
    kept = {name: Recording.load(recorded("--taps", name, tokens=4)["file"]) for name in ("all", "facts", "none")}
    assert [run.has("states") for run in kept.values()] == [True, False, False]
    assert [run.has("entropy") for run in kept.values()] == [True, True, False]


def test_replay_says_whether_every_token_is_the_same(command, saved):
    """Identical with exit 0, as text and as JSON."""
    code, out, _ = command("replay", saved, "--json")
    assert (code, json.loads(out)) == (0, {"identical": True, "first_difference": None})
    code, out, _ = command("replay", saved)
    assert (code, out) == (0, f"identical: all {Recording.load(saved).n_tokens} tokens\n")


def test_replay_names_the_first_difference(command, saved, tmp_path):
    """A file whose token 7 was changed: exit 1, and 7."""
    run = Recording.load(saved)
    columns = {**run.columns, "token_id": run.column("token_id").copy()}
    columns["token_id"][7] ^= 1
    Recording(run.meta, columns).save(tmp_path / "changed.safetensors")
    code, out, _ = command("replay", tmp_path / "changed.safetensors", "--json")
    assert (code, json.loads(out)) == (1, {"identical": False, "first_difference": 7})


def test_measure_as_json(command, saved):
    """Every signal that the file can give, each with the promised keys, a value a token, null where there is none."""
    code, out, _ = command("measure", saved, "--json")
    signals, count = json.loads(out), Recording.load(saved).n_tokens
    assert code == 0
    assert {"entropy", "trajectory", "massive_activations", "mutual_information"} <= set(signals)
    for signal in signals.values():
        assert set(signal) >= SIGNAL_KEYS
        assert len(signal["values"]) == len(signal["null"]["low"]) == len(signal["null"]["high"]) == count
    assert [name for name, signal in signals.items() if signal["oracle"]] == ["mutual_information"]
    code, out, _ = command("measure", saved, "entropy", "--json")
    entropy = json.loads(out)["entropy"]["values"]
    assert entropy == pytest.approx(Recording.load(saved).column("entropy").tolist())


def test_measure_as_csv(command, saved):
    """A line a token; the texts come back whole, line breaks and all."""
    code, out, _ = command("measure", saved, "entropy", "--csv")
    rows = list(csv.DictReader(out.splitlines(keepends=True)))
    run = Recording.load(saved)
    assert code == 0
    assert [row["text"] for row in rows] == list(run.tokens)
    assert list(rows[0]) == ["token", "text", "segment", "forced", "entropy", "entropy_null_low", "entropy_null_high"]
    assert float(rows[3]["entropy"]) == pytest.approx(run.column("entropy")[3], rel=1e-5)


def test_measure_as_a_table(command, saved):
    """A heading and one line a signal; the one that needs the right answer says so."""
    code, out, _ = command("measure", saved, "all")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:3] == ["signal", "unit", "median"]
    assert len(lines) == 1 + len(json.loads(command("measure", saved, "--json")[1]))
    assert any(line.startswith("mutual_information (oracle)") for line in lines)


def test_the_console_script_is_there():
    """As a program of its own: no command prints the help and is wrong input."""
    call = [sys.executable, "-m", "thoughtscope.app.cli"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "record" in done.stdout


def test_ctrl_c_keeps_what_was_said(command, own_library, monkeypatch):
    """Interrupted at the tenth token: exit 1, and the journal it names opens with ten tokens."""
    from thoughtscope.app import commands

    said = []

    def interrupted(text, end="\n"):
        said.append(text)
        if len(said) == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(commands, "say", interrupted)
    code, _, err = command("record", ASKED)
    (journal,) = own_library.iterdir()
    assert code == 1
    assert f"cancelled after 10 tokens; they are kept in {journal}" in err
    assert Recording.load(journal).text == "".join(said)
