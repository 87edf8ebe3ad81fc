"""The rows of build/bench.json, and what more than one part of the benchmark needs."""

import json
import random

COLUMNS = ("name", "value", "unit", "reference", "ratio")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Report:
    """Rows in their order. A ratio that is not said is the value over the reference."""

    def __init__(self):
        self.rows = []

    def row(self, name, value, unit, reference=None, ratio=None):
        if ratio is None and reference:
            ratio = value / reference
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit,
                          "reference": None if reference is None else round(reference, 3),
                          "ratio": None if ratio is None else round(ratio, 3)})
        beside = "" if reference is None else f" (reference {reference:.3f}, ratio {ratio:.3f})"
        print(f"  {name}: {value:.3f} {unit}{beside}", flush=True)

    def write(self, path):
        path.write_text(json.dumps(self.rows, indent=1) + "\n")

    def print_table(self):
        print(f"\n{'name':44} {'value':>12} {'unit':12} {'reference':>12} {'ratio':>8}")
        for row in self.rows:
            name, value, unit, reference, ratio = (row[column] for column in COLUMNS)
            reference = "" if reference is None else f"{reference:.3f}"
            ratio = "" if ratio is None else f"{ratio:.3f}"
            print(f"{name:44} {value:12.3f} {unit:12} {reference:>12} {ratio:>8}")


def made_corpus(count):
    """Texts with the lengths of scientific abstracts: 80 to 350 words in sentences of 8 to 30."""
    rng = random.Random(20261120)
    syllables = ["ka", "ro", "mi", "ten", "sol", "ver", "an", "du", "pli", "gra", "net", "os", "ba",
                 "lu", "cel", "tri", "ma", "phor", "gen", "ic"]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(6000)]
    vocabulary += ["the", "of", "and", "in", "to", "with", "is", "for", "that", "was"] * 220
    documents = []
    for number in range(count):
        words = max(80, min(350, int(rng.gauss(200, 60))))
        sentences = []
        while words > 0:
            length = min(words, rng.randint(8, 30))
            sentences.append(" ".join(rng.choices(vocabulary, k=length)).capitalize() + ".")
            words -= length
        documents.append({"id": f"bench-{number}", "title": sentences[0][:80],
                          "text": " ".join(sentences)})
    return documents


def made_questions(documents, count):
    """Twelve words of a text each."""
    rng = random.Random(7)
    return [" ".join(rng.choice(documents)["text"].split()[5:17]) for _ in range(count)]
