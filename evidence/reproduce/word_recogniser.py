"""Row 8.11: isolated words by vector quantisation and hidden Markov models, on spoken digits."""

import numpy as np

from evidence import Grid, check, data, reproduction


@reproduction(
    "8.11",
    claim="spoken digits are recognised with at least 95 % accuracy on a random split and on the official one; digits "
    "of a speaker who was not learned from are harder",
    source="no canonical table; the curriculum's bound for mel cepstra, 64 code words and 5 states a digit",
    protocol="Free Spoken Digit Dataset, the 4 of its 6 speakers at hand (2,000 recordings, 8 kHz): 13 mel cepstra "
    "with slopes and their slopes, 25 ms windows 10 ms apart, pre-emphasis .97; 64 code words, 5 states from left to "
    "right with skips of one. Random split: 1,600 to learn from, 400 to judge; official split: takes 0 to 4 of each "
    "digit and speaker are judged; then each speaker is judged by models of the other three",
    data="fsdd/fsdd_4speakers.npz",
    mark="M",
    slow=True,
)
def spoken_digits():
    from peira.experience.audio import Audio
    from peira.sequences import WordRecogniser

    held = data("fsdd/fsdd_4speakers.npz")
    audio = Audio(held["audio"], held["length"], int(held["sample_rate"]))
    heard, y = audio.features("mfcc", preemphasis=0.97), held["digit"].astype(int)

    def accuracy(train, heard=heard):
        model = WordRecogniser(n_codes=64, n_components=5, random_state=0).fit(heard[train], y[train])
        return model.score(heard[~train], y[~train]), model

    train = np.zeros(len(y), dtype=bool)
    train[np.random.default_rng(0).permutation(len(y))[:1600]] = True
    right, _ = accuracy(train)
    yield check("accuracy, random split", right, at_least=0.95)
    right, model = accuracy(held["take"] >= 5)
    yield check("accuracy, official split", right, at_least=0.95)
    judged = held["take"] < 5
    loss = -model.predict_log_proba(heard[judged])[np.arange(judged.sum()), y[judged]].mean()
    yield check("log loss, official split; guessing has 2.303", loss, at_most=0.2)
    speakers = [str(name) for name in held["speaker_names"]]
    normal = audio.features("mfcc", preemphasis=0.97, normalise=True)
    table = np.array([[accuracy(held["speaker"] != s, h)[0] for h in (heard, normal)] for s in range(len(speakers))])
    for name, right in zip(("cepstra", "normalised a recording"), table.mean(0), strict=True):
        yield check(f"accuracy, speakers not learned from, {name}; guessing has .1", float(right), at_least=0.5)
    yield Grid("accuracy on a speaker not learned from", speakers, ["cepstra", "normalised a recording"], table)
