"""Running a recording again: the same prompt tokens, noise, controls and dial turns give the same tokens.

What a replay needs stands in the recording; what it lacks is the model, which must be the one that was recorded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import header
from .controls import BIAS_CAP, Control, Overclock, TokenBudget
from .directions import Direction
from .errors import ControlError, ModelError
from .live import Gold
from .prompt import Prompt
from .run import record
from .sampling import Sampling
from .sites import FINAL_NORM

if TYPE_CHECKING:
    from .engines.base import Engine
    from .generate import Turn
    from .recording import Recording

CUT_OFF = ("cancelled", "killed")
"""Why a recording ends where the run would have gone on; its replay ends there too."""


def replay(engine: Engine, recording: Recording, **settings: Any) -> Recording:
    """Run a recording again: same prompt tokens, sampling, controls and dial turns; other settings as for `Run`.

    Raises:
        ModelError: when the model is not the one that was recorded.
    """
    made_by = recording.meta["model"]
    if made_by["fingerprint"] != engine.model.fingerprint:
        raise ModelError(
            f"this recording was made by {made_by['name']} ({made_by['fingerprint']}), not by {engine.model.name} "
            f"({engine.model.fingerprint}); give the model with --model"
        )
    _same_reading(engine, recording)
    prompt = _prompt(recording)
    if recording.n_tokens == 0:
        return recording
    return record(
        engine,
        prompt.text,
        prompt=prompt,
        sampling=_sampling(recording),
        controls=[_control(kept, recording) for kept in recording.meta["controls"] if kept["name"] != "stop"],
        turns=_turns(recording),
        gold=_gold(recording),
        answer=recording.meta.get("gold"),
        bias_cap=recording.meta.get("bias_cap", BIAS_CAP),
        extra={"problem": recording.meta.get("problem")},
        **settings,
    )


def _same_reading(engine: Engine, recording: Recording) -> None:
    """The same precision and the same marks around the thinking; either changes the tokens."""
    model, was = engine.model, recording.meta["model"]["dtype"]
    if was != (now := str(model.dtype).removeprefix("torch.")):
        raise ModelError(f"this recording was made in {was}, the model is loaded in {now}; load it with --dtype {was}")
    marks = header.of_thinking(model.thinking)
    if (recording.meta["thinking"] or {}).get("close_ids") != (marks or {}).get("close_ids"):
        texts = recording.meta["thinking"]
        given = "none" if texts is None else f"{texts.get('open')!r} {texts.get('close')!r}"
        raise ModelError(f"this recording was made with other thinking marks; load the model with --thinking {given}")


def first_difference(one: Recording, other: Recording) -> int | None:
    """Index of the first generated token in which two recordings differ, or None when all are the same."""
    first, second = one.column("token_id"), other.column("token_id")
    shared = min(len(first), len(second))
    differs = np.nonzero(first[:shared] != second[:shared])[0]
    if len(differs):
        return int(differs[0])
    return None if len(first) == len(second) else shared


def _prompt(recording: Recording) -> Prompt:
    asked = recording.meta["prompt"]
    return Prompt(asked["text"], asked["rendered"], tuple(asked["ids"]), asked["thinking"], asked.get("system"))


def _sampling(recording: Recording) -> Sampling:
    sampling = Sampling(**recording.meta["sampling"])
    if recording.meta["stop_reason"] in CUT_OFF:
        return replace(sampling, max_tokens=max(1, recording.n_tokens))
    return sampling


def _turns(recording: Recording) -> dict[int, list[Turn]]:
    """What the user turned, by token."""
    turns: dict[int, list[Turn]] = {}
    for event in recording.events:
        if event["kind"] == "set":
            turns.setdefault(event["token"], []).append((event["control"], event["dial"], event["value"]))
    return turns


def _gold(recording: Recording) -> Gold | None:
    if not recording.has("gold_state"):
        return None
    sites = tuple(recording.meta["measures"]["dependence"]["sites"])
    return Gold(sites, recording.column("gold_state"), recording.column("null_bank"))


def _control(kept: dict[str, Any], recording: Recording) -> Control:
    """A control as it stood when the recorded run began."""
    if kept["name"] == "budget":
        return TokenBudget(kept["tokens"])
    if kept["name"] == "overclock":
        weight = recording.column("overclock_weight")
        return Overclock(kept["alpha"], Direction.bare(kept["direction"], FINAL_NORM, weight, {}))
    raise ControlError(
        f"this recording used a control {kept['name']!r} that this version does not know; update thoughtscope"
    )
