"""The bundled model's words, and the tokenizer made of them.

One token is one word, one punctuation mark, one fact label such as `(3)`, one whole number from 0 to 99, a line break,
or a name with its colon: `Ava:` opens a record ("Ava: 7."), and a token of its own before the value makes looking a
record up learnable in minutes. A token's text carries the space before it, so the texts of a sequence joined are the
text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MODEL_FOLDER = Path(__file__).parent / "model"

NAMES = tuple(
    "Ava Tom Mia Leo Zoe Sam Eva Max Lily Ben Nora Finn Ruby Jack Iris Omar Ella Hugo Anna Liam "
    "Cora Noah Dina Ivan Rosa Paul Tara Kofi Yuki Amir".split()
)
ITEMS = tuple("apples pens books coins shells stamps cards marbles eggs keys plums beads".split())
NUMBERS = tuple(str(number) for number in range(100))
RECORDS = tuple(f"{name}:" for name in NAMES)
LABELS = tuple(f"({label})" for label in range(1, 11))
WORDS = tuple(
    "has more fewer than twice half as many times How does have the of "
    "I need So Therefore Then Now Wait Hmm Yes no not those are let Let me check again Skip The answer is".split()
)
MARKS = tuple(". , ? + - × ÷ = \n".split(" "))
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>", "<think>", "</think>")
VOCABULARY = SPECIAL + MARKS + LABELS + NUMBERS + NAMES + RECORDS + ITEMS + WORDS

TOKEN_PATTERN = r"\(\d+\)|\d+|</?[a-z]+>|[A-Za-z]+:?|\n|[^\sA-Za-z0-9]"
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<assistant>{{ message['content'] }}{{ eos_token }}"
    "{% else %}<user>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The word-level tokenizer, with a chat template that opens the thinking, as the R1 family's does."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(TOKEN_PATTERN), behavior="removed", invert=True)
    # A space goes before every token that is not a mark which clings to the word on its left, a line break or a tag.
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex(r"^(?=[^.,?\n<])"), " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>", "<think>", "</think>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
