"""The model card as text, from the numbers of `card`. No number is written here."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ..vocabulary import ITEMS, NAMES, VOCABULARY


def say(*sentences: str) -> str:
    """A paragraph."""
    return textwrap.fill(" ".join(sentences), 118, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{100 * share:.1f} %"


def card_text(card: Mapping[str, Any]) -> str:
    """The whole card."""
    parts = [
        "# The bundled model",
        *what_it_is(card),
        *accuracy(card["accuracy"], card["held_out_problems"]),
        *thinking(card["accuracy"], card["forced_convergence"]),
        *progress(card["progress"]),
        *overclocking(card["overclocking"]),
        *closing(card["closing_push"]),
        *emergence(card["emergence"]),
        "## Speed",
        say(
            f"One row, nothing watched: {card['single_tokens_per_second']:.0f} tokens/s on the two CPU cores of the",
            f"measuring run; 32 rows: {card['accuracy']['batch_tokens_per_second']:,.0f} tokens/s.",
            "Ratios against plain",
            "`generate` are in `benchmarks/results.csv`.",
        ),
    ]
    return "\n\n".join(parts) + "\n"


def what_it_is(card: Mapping[str, Any]) -> list[str]:
    """Architecture, training, and how the numbers came about."""
    recipe = card["recipe"]
    return [
        say(
            "A small reasoning model for trying Thoughtscope without a download:",
            f"{card['parameters']:,} parameters, {recipe['layers']} blocks of width {recipe['width']},",
            "Qwen3 architecture,",
            "trained from scratch by `sample_data/recipe/` on generated word problems with thinking.",
            "It is made to be",
            f"watched, not to be useful: it knows {len(VOCABULARY)} tokens ({len(NAMES)} names,",
            f"{len(ITEMS)} things, the",
            "numbers 0 to 99, some words) and nothing else.",
        ),
        say(
            f"Fingerprint `{card['fingerprint']}`. Training: {recipe['steps']:,} steps, {recipe['tokens']:,} tokens,",
            f"{recipe['seconds'] / 60:.0f} minutes on {recipe['device']}, seed {recipe['seed']}.",
            "Queries and keys of two",
            f"heads in the first {recipe['looking_back']} blocks start with a bias towards the previous token",
            "(`train.look_back`); everything else starts at random.",
            recipe.get("history", ""),
        ),
        say(
            "Every number below was measured by `python -m thoughtscope.sample_data.recipe.card",
            "--work WORK`",
            "and is kept in `card.json`. Training, development and held-out problems come from one",
            "generator with three",
            "seeds; held-out problems were used for this card only.",
        ),
    ]


def accuracy(found: Mapping[str, Any], count: int) -> list[str]:
    """Accuracy over all and by number of steps."""
    greedy, sampled = found["greedy"], found["sampled"]
    low, high = greedy["interval"]
    rows = [
        [steps, row["problems"], percent(row["greedy"]), percent(row["sampled"]), f"{row['thinking_tokens']:.0f}"]
        for steps, row in found["by_steps"].items()
    ]
    return [
        f"## Accuracy on {count} held-out problems",
        say(
            f"Greedy {percent(greedy['accuracy'])} (95 % interval {percent(low)} to {percent(high)},",
            "bootstrap by problem);",
            f"at T = 0.6, four samples each, {percent(sampled['accuracy'])}.",
        ),
        table(["steps", "problems", "greedy", "T = 0.6", "thinking tokens (greedy)"], rows),
    ]


def thinking(found: Mapping[str, Any], forced: Mapping[str, Any]) -> list[str]:
    """How long it thinks, and how much of it comes too late."""
    greedy, sampled = found["greedy"], found["sampled"]
    shares = {
        "ends by itself": "ended",
        "states its answer while thinking": "states_its_answer",
        "thinking after convergence (first statement)": "after_convergence",
        "redundant checking and repeating": "redundant_checking",
    }
    rows = [["thinking tokens", greedy["thinking_tokens"], sampled["thinking_tokens"]]]
    rows += [[name, percent(greedy[key]), percent(sampled[key])] for name, key in shares.items()]
    quantiles = ", ".join(map(str, found["length_quantiles"]))
    return [
        "## Thinking, and how much of it comes too late",
        f"Thinking tokens, greedy, 5, 25, 50, 75 and 95 % quantiles: {quantiles}.",
        table(["", "greedy", "T = 0.6"], rows),
        say(
            "Convergence, first-statement form: the first token that states the final answer such that",
            "no later statement",
            "differs. The forced form (methods.md 8.2: the thinking is closed at each line end and the",
            "answer read) puts",
            f"{percent(forced['after_convergence'])} of the thinking after convergence on",
            f"{forced['problems']} problems;",
            "the answer forced at the last line differs from the one given in",
            f"{percent(forced['mismatch_at_the_end'])} of them.",
        ),
    ]


def progress(found: Mapping[str, Any]) -> list[str]:
    """The read-out against its baselines."""
    mean, low, high = found["difference"]
    return [
        "## Progress read-out",
        say(
            f"Ridge at `{found['site']}`, fitted on development problems, judged on {found['traces']} traces of",
            f"{found['problems']} held-out problems (T = 0.6): R2 {found['r2']:.3f}, against",
            f"{found['r2_position']:.3f}",
            f"for E[y | position] and {found['r2_position_and_facts']:.3f} for E[y | position, number of facts]. The",
            f"margin over position is {mean:.3f} (95 % interval {low:.3f} to {high:.3f}, bootstrap by",
            "problem). Mean squared",
            f"error {found['mse']:.4f}, without the last 5 % of tokens {found['mse_without_last_5_percent']:.4f}; a",
            "constant has 0.0833.",
        ),
        table(["site", "R2 (development)"], list(found["r2_by_site_development"].items())),
    ]


def overclocking(found: Mapping[str, Any]) -> list[str]:
    """The strength table and its random control."""
    rows = [
        [r["alpha"], r["thinking_tokens"], percent(r["accuracy"]), percent(r["answered"]), percent(r["ended"])]
        for r in found["table"]
    ]
    verdict = "No positive strength keeps accuracy within 2 points."
    if found["chosen_alpha"]:
        verdict = (
            f"At alpha = {found['chosen_alpha']} thinking is {percent(found['shortening'])} shorter and accuracy "
            f"changes by {100 * found['accuracy_change']:+.1f} points."
        )
    return [
        "## Overclocking",
        say(
            f"Logit bias alpha W_U w (methods.md 2.4), greedy, {found['problems']} held-out problems.",
            "Pushed up most:",
            f"{', '.join(found['pushed']['up'])}; down most: {', '.join(found['pushed']['down'])}.",
        ),
        table(["alpha", "thinking tokens", "correct", "answered", "ended"], rows),
        say(verdict, random_control(found["random"])),
    ]


def closing(found: Mapping[str, Any]) -> list[str]:
    """What a push towards the closing mark alone does."""
    rows = [
        [r["bias"], r["thinking_tokens"], percent(r["accuracy"]), percent(r["answered"]), percent(r["ended"])]
        for r in found["table"]
    ]
    return [
        "### Another direction",
        say(
            "The same form and place, another direction: the closing mark's row of the unembedding less the mean row,",
            f"on {found['problems']} held-out problems. Whether to check again is decided at one token a round,",
            'between the mark and "Wait"; this direction moves that decision, until it is strong enough',
            "to break the rest.",
        ),
        table(["largest bias", "thinking tokens", "correct", "answered", "ended"], rows),
    ]


def random_control(found: Mapping[str, Any]) -> str:
    """What random directions of the same size do."""
    if not found["draws"]:
        return ""
    lengths = sorted(draw["thinking_tokens"] for draw in found["draws"])
    rights = sorted(draw["accuracy"] for draw in found["draws"])
    plain = found["plain"]
    return (
        f"{len(lengths)} random directions of equal norm at the same strength, on {found['problems']} problems where "
        f"the model left alone thinks {plain['thinking_tokens']} tokens and is right on {percent(plain['accuracy'])}: "
        f"{lengths[0]} to {lengths[-1]} tokens (median {lengths[len(lengths) // 2]}), right on {percent(rights[0])} to "
        f"{percent(rights[-1])}."
    )


def emergence(found: Mapping[str, Any]) -> list[str]:
    """Ratios over training."""
    last = found["checkpoints"][-1]
    largest = max(block["ratio_max"] for block in last["blocks"])
    rows = [
        [
            checkpoint["step"],
            *(f"{b['ratio_position_0']:.1f} / {b['ratio_max_elsewhere']:.1f}" for b in checkpoint["blocks"]),
        ]
        for checkpoint in found["checkpoints"]
    ]
    met = "met" if largest >= 1000 else "never met"
    return [
        "## Massive activations",
        say(
            "Ratio of the largest to the median |h|, at position 0 (mean) / elsewhere (largest), over",
            f"{found['traces']} development traces. The rule of methods.md 4.2 (above 100, and 1000",
            "times the median) is",
            f"{met} at the end of training: the largest ratio is {largest:.0f}.",
        ),
        table(["step", *(f"block {b['layer']}" for b in last["blocks"])], rows),
    ]
