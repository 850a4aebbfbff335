"""Entropy of the model's own next-token distribution, before temperature or any processor.

It says how undecided the next token is. It does not know whether the answer is right, and a confident model may be
wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..kernels.entropy import logit_facts
from .nulls import own_values
from .signal import CATALOGUE, Run, Signal, register, sampled, states_at

_COMPANIONS = ("logprob", "rank", "p_end")


@register(
    name="entropy",
    title="Token entropy",
    unit="nats",
    domain=(0.0, None),
    oracle=False,
    needs=("entropy",),
    reference="Shannon entropy of the untouched logits (methods 0.4)",
    meaning="How open the choice of the next token is: the entropy of what the model would say.",
    not_this="Not the uncertainty of the answer: only of the next token, which may be open when the thought is not.",
)
def entropy(run: Run) -> Signal:
    """Entropy of each token's distribution in nats; null: this trace's own values in shuffled order."""
    values = np.asarray(run.column("entropy"), dtype=np.float64)
    defined = sampled(run)
    parts = {name: np.asarray(run.column(name)) for name in _COMPANIONS if run.has(name)}
    vocab = int(run.meta["model"].get("vocab") or 0)
    if vocab > 1:
        parts["normalised"] = values / np.log(vocab)
    return CATALOGUE["entropy"].signal(
        values, defined, own_values(values, defined), parts=parts, parameters={"temperature": 1.0}
    )


def recompute_uncertainty(
    run: Run, unembedding: ArrayLike, bias: ArrayLike | None = None
) -> dict[str, np.ndarray] | None:
    """The logit columns again, from raw final-normed states and the model's (vocab, d_model) unembedding.

    None where the recording kept no states of the final norm. Equal to the live columns to float32 matrix products.
    """
    states = states_at(run, ["ln_final.hook_out"])
    if states is None:
        return None
    logits = states[:, 0] @ np.asarray(unembedding, dtype=np.float32).T
    if bias is not None:
        logits = logits + np.asarray(bias, dtype=np.float32)
    k = np.asarray(run.column("topk_id")).shape[1] if run.has("topk_id") else 20
    facts = logit_facts(logits, run.column("token_id"), k)
    columns = {name: getattr(facts, name) for name in ("entropy", "logprob", "rank", "topk_id", "topk_logit")}
    thinking = run.meta.get("thinking")
    if thinking and thinking.get("close_ids"):
        columns["p_end"] = np.exp(logits[:, thinking["close_ids"][0]] - facts.log_sum_exp)
    return columns
