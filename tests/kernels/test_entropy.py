"""Facts of a row of logits against values known on paper."""

import numpy as np
import pytest

from thoughtscope.kernels.entropy import entropy, logit_facts, normalised_entropy


@pytest.mark.parametrize("vocab", [2, 7, 200, 4096])
def test_T10_uniform_is_log_vocab(vocab):
    """Equal logits are a uniform distribution: entropy ln(vocab), normalised 1."""
    logits = np.full((3, vocab), 4.5, dtype=np.float32)
    np.testing.assert_allclose(entropy(logits), np.log(vocab), rtol=1e-6)
    np.testing.assert_allclose(normalised_entropy(logits), 1.0, rtol=1e-6)


def test_T10_one_hot_is_zero():
    """All mass on one token: 0 nats, also when the others are at minus infinity (0 ln 0 counts as 0)."""
    logits = np.full(50, -np.inf, dtype=np.float32)
    logits[7] = 3.0
    facts = logit_facts(logits, 7, k=3)
    assert float(facts.entropy) == 0.0
    assert facts.logprob is not None
    assert float(facts.logprob) == 0.0
    assert facts.topk_id[0] == 7


def test_T10_normalised_stays_in_unit_interval():
    """0 <= H / ln V <= 1 for any logits, at the scale of real ones and far beyond."""
    random = np.random.default_rng(0)
    for scale in (0.01, 1.0, 30.0, 1e4):
        values = normalised_entropy(scale * random.standard_normal((40, 333)))
        assert values.min() >= 0.0
        assert values.max() <= 1.0 + 1e-6


def test_typical_normalised_entropy_of_a_confident_model():
    """Top probability 0.99 with a 50-way tail over 152064 tokens: about 0.008 (methods 0.4)."""
    logits = np.full(152064, -np.inf)
    logits[0], logits[1:51] = np.log(0.99), np.log(0.01 / 50)
    assert float(normalised_entropy(logits)) == pytest.approx(0.008, abs=0.0005)


def test_chosen_token_and_top_k():
    """Probabilities 0.5, 0.3, 0.2: the third token has log-probability ln 0.2 and rank 2, the order is 1, 0, 2."""
    facts = logit_facts(np.log([0.3, 0.5, 0.2]), 2, k=3)
    assert facts.topk_id.tolist() == [1, 0, 2]
    assert facts.logprob is not None
    assert facts.rank is not None
    assert float(facts.logprob) == pytest.approx(np.log(0.2), rel=1e-6)
    assert int(facts.rank) == 2
    assert float(facts.log_sum_exp) == pytest.approx(0.0, abs=1e-6)
    assert float(facts.entropy) == pytest.approx(-(0.3 * np.log(0.3) + 0.5 * np.log(0.5) + 0.2 * np.log(0.2)), rel=1e-6)


def test_equal_logits_keep_the_lower_id_first_and_share_the_rank():
    """Ties inside the top k are ordered by id; rank counts larger logits only, so both leaders have rank 0."""
    facts = logit_facts(np.array([[1.0, 5.0, 0.0, 5.0]]), np.array([3]), k=2)
    assert facts.topk_id.tolist() == [[1, 3]]
    assert facts.rank is not None
    assert facts.rank.tolist() == [0]


def test_rows_do_not_depend_on_their_batch():
    """A row alone gives bit for bit what it gives inside a (2, 5) batch, and shapes follow the leading axes."""
    random = np.random.default_rng(1)
    logits = random.standard_normal((2, 5, 97)).astype(np.float32)
    chosen = random.integers(97, size=(2, 5))
    batch = logit_facts(logits, chosen, k=20)
    assert batch.topk_id.shape == (2, 5, 20)
    for row in np.ndindex(2, 5):
        alone = logit_facts(logits[row], chosen[row], k=20)
        for one, many in zip(alone, batch, strict=True):
            assert one is not None
            assert many is not None
            np.testing.assert_array_equal(one, many[row])


def test_k_is_cut_to_the_vocabulary_and_wrong_ids_are_named():
    """k = 20 of 6 tokens gives 6; two ids for one row is an error that names both numbers."""
    assert logit_facts(np.zeros(6), k=20).topk_id.shape == (6,)
    with pytest.raises(ValueError, match="2 ids, logits have 1 rows"):
        logit_facts(np.zeros(6), [1, 2])
