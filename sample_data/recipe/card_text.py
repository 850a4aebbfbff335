"""The model card as text, from the numbers of `card`. No number is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{100 * share:.1f} %"


def card_text(card: Mapping[str, Any]) -> str:
    """The whole card."""
    recipe, accuracy = card["recipe"], card["accuracy"]
    greedy, sampled = accuracy["greedy"], accuracy["sampled"]
    quantiles = accuracy["length_quantiles"]
    forced = card["forced_convergence"]
    return f"""# The bundled model

A small reasoning model for trying Thoughtscope without a download: {card["parameters"]:,} parameters, {
        recipe["layers"]
    } blocks of
width {
        recipe["width"]
    }, Qwen3 architecture, trained from scratch by `sample_data/recipe/` on generated word problems with thinking. It is
made to be watched, not to be useful: it knows {len_words(card)} and nothing else.

Fingerprint `{card["fingerprint"]}`. Training: {recipe["steps"]:,} steps, {recipe["tokens"]:,} tokens, {
        recipe["seconds"] / 60:.0f} minutes on
{recipe["device"]}, seed {recipe["seed"]}. Queries and keys of two heads in the first {
        recipe["looking_back"]
    } blocks start with a bias towards the
previous token (see `train.look_back`); everything else starts at random.

Every number below was measured by `python -m thoughtscope.sample_data.recipe.card --recipe WORK/recipe.json` and is kept in `card.json`.
Training, development and held-out problems come from one generator with three seeds; held-out problems were used for this card only.

## Accuracy on {card["held_out_problems"]} held-out problems

Greedy {percent(greedy["accuracy"])} (95 % interval {percent(greedy["interval"][0])} to {
        percent(greedy["interval"][1])
    }, bootstrap by
problem); at T = 0.6, four samples each, {percent(sampled["accuracy"])}.

{steps_table(accuracy)}

## Thinking, and how much of it comes too late

Greedy thinking has {greedy["thinking_tokens"]} tokens on average (5, 25, 50, 75, 95 % quantiles: {
        ", ".join(map(str, quantiles))
    }).
{percent(greedy["ended"])} of greedy traces end by themselves.

{
        table(
            ["", "greedy", "T = 0.6"],
            [
                ["thinking tokens", greedy["thinking_tokens"], sampled["thinking_tokens"]],
                [
                    "states its answer while thinking",
                    percent(greedy["states_its_answer"]),
                    percent(sampled["states_its_answer"]),
                ],
                [
                    "thinking after convergence (first statement)",
                    percent(greedy["after_convergence"]),
                    percent(sampled["after_convergence"]),
                ],
                [
                    "redundant checking and repeating",
                    percent(greedy["redundant_checking"]),
                    percent(sampled["redundant_checking"]),
                ],
            ],
        )
    }

Convergence, first-statement form: the first token that states the final answer such that no later statement differs. The
forced form (methods.md 8.2: the thinking is closed at each line end and the answer read) puts {
        percent(forced["after_convergence"])
    } of the
thinking after convergence on {
        forced["problems"]
    } problems; the answer forced at the last line differs from the one given in
{percent(forced["mismatch_at_the_end"])} of them.

{progress_text(card["progress"])}

{overclock_text(card["overclocking"])}

{emergence_text(card["emergence"])}

## Speed

One row, nothing watched: {card["single_tokens_per_second"]:.0f} tokens/s on two CPU cores; 32 rows: {
        accuracy["batch_tokens_per_second"]:,.0f} tokens/s.
Ratios against plain `generate` are in `benchmarks/results.csv`.
"""


def len_words(card: Mapping[str, Any]) -> str:
    """What the vocabulary holds."""
    from ..vocabulary import ITEMS, NAMES, VOCABULARY

    return f"{len(VOCABULARY)} tokens ({len(NAMES)} names, {len(ITEMS)} things, the numbers 0 to 99, some words)"


def steps_table(accuracy: Mapping[str, Any]) -> str:
    """Accuracy by number of steps."""
    rows = [
        [steps, row["problems"], percent(row["greedy"]), percent(row["sampled"]), f"{row['thinking_tokens']:.0f}"]
        for steps, row in accuracy["by_steps"].items()
    ]
    return table(["steps", "problems", "greedy", "T = 0.6", "thinking tokens (greedy)"], rows)


def progress_text(progress: Mapping[str, Any]) -> str:
    """The read-out against its baselines."""
    mean, low, high = progress["difference"]
    layers = table(["site", "R2 (development)"], list(progress["r2_by_site_development"].items()))
    return f"""## Progress read-out

Ridge at `{progress["site"]}`, fitted on development problems, judged on {progress["traces"]} traces of {progress["problems"]} held-out problems (T = 0.6):
R2 {progress["r2"]:.3f}, against {progress["r2_position"]:.3f} for E[y | position] and {progress["r2_position_and_facts"]:.3f} for E[y | position, number of facts].
The margin over position is {mean:.3f} (95 % interval {low:.3f} to {high:.3f}, bootstrap by problem). Mean squared error {progress["mse"]:.4f},
without the last 5 % of tokens {progress["mse_without_last_5_percent"]:.4f}; a constant has 0.0833.

{layers}"""


def overclock_text(overclock: Mapping[str, Any]) -> str:
    """The strength table and its random control."""
    rows = [
        [r["alpha"], r["thinking_tokens"], percent(r["accuracy"]), percent(r["answered"]), percent(r["ended"])]
        for r in overclock["table"]
    ]
    draws = overclock["random"]["draws"]
    verdict = (
        f"At alpha = {overclock['chosen_alpha']} thinking is {percent(overclock['shortening'])} shorter and accuracy changes by "
        f"{100 * overclock['accuracy_change']:+.1f} points."
        if overclock["chosen_alpha"]
        else "No positive strength keeps accuracy within 2 points."
    )
    control = ""
    if draws:
        lengths = sorted(draw["thinking_tokens"] for draw in draws)
        rights = sorted(draw["accuracy"] for draw in draws)
        base = overclock["random"]["plain"]
        control = (
            f"\n\n{len(draws)} random directions of equal norm at the same strength, on {overclock['random']['problems']} problems where the model "
            f"left alone thinks {base['thinking_tokens']} tokens with accuracy {percent(base['accuracy'])}: lengths {lengths[0]} to {lengths[-1]} "
            f"(median {lengths[len(lengths) // 2]}), accuracy {percent(rights[0])} to {percent(rights[-1])}."
        )
    return f"""## Overclocking

Logit bias alpha W_U w (methods.md 2.4), greedy, {overclock["problems"]} held-out problems. Pushed up most: {", ".join(overclock["pushed"]["up"])};
down most: {", ".join(overclock["pushed"]["down"])}.

{table(["alpha", "thinking tokens", "correct", "answered", "ended"], rows)}

{verdict}{control}"""


def emergence_text(emergence: Mapping[str, Any]) -> str:
    """Ratios over training."""
    last = emergence["checkpoints"][-1]
    largest = max(block["ratio_max"] for block in last["blocks"])
    rows = [
        [
            checkpoint["step"],
            *(f"{b['ratio_position_0']:.1f} / {b['ratio_max_elsewhere']:.1f}" for b in checkpoint["blocks"]),
        ]
        for checkpoint in emergence["checkpoints"]
    ]
    return f"""## Massive activations

Ratio of the largest to the median |h|, at position 0 (mean) / elsewhere (largest), {emergence["traces"]} development traces. The rule of
methods.md 4.2 (above 100 and 1000 times the median) is {"met" if largest >= 1000 else "never met"}: the largest ratio is {largest:.0f}.

{table(["step", *(f"block {b['layer']}" for b in last["blocks"])], rows)}"""
