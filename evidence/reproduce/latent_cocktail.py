"""Row 4.06, to listen to: three voices speak at once into three microphones, and are separated again.

``python -m evidence.reproduce.latent_cocktail FOLDER`` writes what the microphones heard and what was found, as wav
files.
"""

import sys
from pathlib import Path

import numpy as np

from evidence import check, data, reproduction

RATE = 8000  # Hz
SECONDS = 4


def voices(speakers=("jackson", "nicolas", "theo")):
    """Three speakers (N, 3) of unit variance, each saying other digits one after another for four seconds."""
    spoken = data("fsdd/fsdd_4speakers.npz")
    audio, start, length = (spoken[key] for key in ("audio", "start", "length"))
    who = spoken["speaker_names"][spoken["speaker"]]
    tracks = []
    for k, name in enumerate(speakers):
        takes = np.flatnonzero(who == name)
        takes = np.random.default_rng(k).permutation(takes)
        words, n = [], 0
        for i in takes:
            word = audio[start[i] : start[i] + length[i]].astype(float)
            words.append(word / word.std())
            n += len(word)
            if n >= RATE * SECONDS:
                break
        tracks.append(np.concatenate(words)[: RATE * SECONDS])
    S = np.column_stack(tracks)
    return (S - S.mean(0)) / S.std(0)


ROOM = np.array([[1.0, 0.6, 0.5], [0.5, 1.0, 0.7], [0.4, 0.6, 1.0]])  # how loud each voice is at each microphone


@reproduction(
    "4.06",
    claim="three voices that speak at once into three microphones come apart: each voice found correlates with its "
    "speaker above 0.99, the best microphone with at most 0.9",
    source="Free Spoken Digit Dataset (Jackson et al.); the mixing is ours, instantaneous, without echo",
    protocol="four seconds at 8 kHz of three speakers who say random digits; FastICA with log cosh, and Picard",
    mark="C(design)",
    data="fsdd/fsdd_4speakers.npz",
)
def cocktail_party():
    from peira.latent import FastICA, Picard
    from peira.measures.separation import amari_index, match_sources

    S = voices()
    X = S @ ROOM.T
    heard = match_sources(S, X).correlation
    yield check("correlation of voices and microphones, the largest", float(heard.max()), at_most=0.9)
    for method in (FastICA(random_state=0), Picard(random_state=0)):
        name = type(method).__name__
        found = match_sources(S, method.fit_transform(X))
        yield check(f"{name}: correlation of each voice", found.correlation, at_least=0.99)
        yield check(f"{name}: Amari index", amari_index(method.components_, ROOM), at_most=0.05)


def write_wav(path, track):
    """A mono file of 16 bits, its loudest moment at nine tenths."""
    import wave

    samples = np.round(track / np.abs(track).max() * 0.9 * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def main(folder):
    from peira.latent import FastICA

    X = voices() @ ROOM.T
    found = FastICA(random_state=0).fit_transform(X)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(3):
        write_wav(folder / f"microphone_{k}.wav", X[:, k])
        write_wav(folder / f"voice_{k}.wav", found[:, k])
    print(f"three microphones and three voices are in {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
