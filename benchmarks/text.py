"""Bits per character of a trained model of text, beside a 5-gram and xz, on the same held-out text.

    python main.py --config=configs/discrete/text.py --workdir=runs/text
    python benchmarks/text.py --workdir=runs/text

The model sees each sequence alone. So does the first row of the 5-gram; its second row, like xz,
reads the held-out sequences one after the other. xz is a code and not a law, so its files
have no error: alone, and what the held-out text adds to a file of the training text.
"""

import argparse
import lzma
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from jaxtyping import Float, Int

from gradlog import Run
from gradlog.data.text import decode_text


class KneserNey:
    """An n-gram by interpolated modified Kneser-Ney smoothing; its last resort is uniform.

    Chen & Goodman 1998, TR-10-98, section 4.1.6: with counts c of the longest n-grams, and for
    shorter ones the number of different tokens before them, ``p(w | h) = max(c(hw) - D(c(hw)), 0) /
    c(h) + (D_1 N_1(h) + D_2 N_2(h) + D_3 N_3+(h)) / c(h) p(w | shorter h)``.
    """

    def __init__(self, text: str, levels: int, order: int = 5):
        self._levels, self._orders = levels, []
        counts = [
            Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(1, order + 1)
        ]
        for n in range(order - 1):
            counts[n] = Counter(gram[1:] for gram in counts[n + 1])
        for grams in counts:
            of = Counter(grams.values())
            ratio = of[1] / (of[1] + 2 * of[2]) if of[1] else 0.5
            # A small alphabet has no rare letters: then half a count is as good as any.
            discounts = [0.0] + [
                c - (c + 1) * ratio * of[c + 1] / of[c] if of[c] and of[c + 1] else 0.5
                for c in (1, 2, 3)
            ]
            total, left = defaultdict(float), defaultdict(float)
            for gram, count in grams.items():
                total[gram[:-1]] += count
                left[gram[:-1]] += discounts[min(count, 3)]
            self._orders.append((grams, discounts, total, left))

    def prob(self, context: str, token: str) -> float:
        """Return the probability of a token after a context; only its last tokens count."""
        prob = 1 / self._levels
        for n, (grams, discounts, total, left) in enumerate(self._orders[: len(context) + 1]):
            history = context[len(context) - n :]
            if history not in total:
                break
            count = grams.get(history + token, 0)
            discounted = count - discounts[min(count, 3)]
            prob = (discounted + left[history] * prob) / total[history]
        return prob

    def bits(self, text: str) -> float:
        """Return the bits of a text."""
        longest = len(self._orders) - 1
        pairs = ((text[max(i - longest, 0) : i], token) for i, token in enumerate(text))
        return -sum(math.log2(self.prob(*pair)) for pair in pairs)


def main() -> None:
    """Print a row for each: bits per token of the held-out text with its standard error."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="of a trained model of text")
    run = Run.open(parser.parse_args().workdir)
    dataset = run.experiment.dataset
    train, test = (np.asarray(each[np.arange(len(each))]) for each in (dataset.train, dataset.test))
    result = run.results("")[0]
    if len(result.bits_per_dim) != len(test):
        parser.error("the result is not of the whole test set: config.eval.num_images must be 0")
    print(f"{len(train):,} sequences for training, {len(test):,} held out, of {test.shape[1]}")

    grams = KneserNey(_letters(train), dataset.levels or 0)
    for context in ("", _letters(test[:1])[:2], _letters(train[:1])[:4]):  # it is a law
        probs = [grams.prob(context, chr(token)) for token in range(dataset.levels or 0)]
        assert math.isclose(math.fsum(probs), 1, rel_tol=1e-9)
    alone = np.array([grams.bits(_letters(row)) for row in test]) / test.shape[1]
    running = grams.bits(_letters(test)) / test.size
    name = f"{result.summary['estimator']} at step {result.summary['step']}"
    _show(f"the model: {name}", result.bits_per_dim, dataset.unit)
    _show("5-gram, each sequence alone", alone, dataset.unit)
    _show("the model minus the 5-gram", result.bits_per_dim - alone, dataset.unit)
    print(f"{'5-gram, the sequences in a row':42} {running:.3f} {dataset.unit}")
    plain, held_out = (
        "".join(decode_text(row, dataset.alphabet) for row in each).encode()
        for each in (train, test)
    )
    size = {
        text: len(lzma.compress(text, preset=9)) for text in (plain, held_out, plain + held_out)
    }
    for name, count in (
        ("xz -9", size[held_out]),
        ("xz -9, after the training text", size[plain + held_out] - size[plain]),
    ):
        print(f"{name:42} {8 * count / test.size:.3f} {dataset.unit}")


def _letters(tokens: Int[np.ndarray, "n length"]) -> str:
    """Return a letter for each token, all in a row."""
    return "".join(map(chr, tokens.ravel()))


def _show(name: str, bits: Float[np.ndarray, " n"], unit: str) -> None:
    error = bits.std(ddof=1) / math.sqrt(len(bits))
    print(f"{name:42} {bits.mean():.3f} ± {error:.3f} {unit}")


if __name__ == "__main__":
    main()
