"""Row 7.22: preparing speech. PCM, mu-law, short-time spectra and their inverse, mel cepstra."""

import numpy as np

from evidence import check, data, reproduction


def digits(which):
    """Some of the spoken digits, samples of full scale 1."""
    from peira.experience.audio import Audio

    held = data("fsdd/fsdd_4speakers.npz")
    waves = [held["audio"][held["start"][n] : held["start"][n] + held["length"][n]] for n in which]
    return Audio.from_list(waves, int(held["sample_rate"]))


@reproduction(
    "7.22",
    claim="the inverse of the short-time spectra gives every sample back: largest error below 1e-12",
    source="Griffin & Lim (1984), eq. 6",
    protocol="200 spoken digits (8 kHz, 16 bits), together; windows of 200 samples 80 apart in frames of 256 (Hann), "
    "of 256 samples 128 apart (Hamming), and of 512 samples 64 apart (Blackman)",
    data="fsdd/fsdd_4speakers.npz",
    mark="C",
)
def inverse():
    import torch

    from peira.experience.spectra import inverse_stft, stft

    audio = digits(range(0, 2000, 10))
    x, lengths = torch.from_numpy(audio.samples.astype(np.float64)), torch.from_numpy(np.array(audio.lengths))
    for form in ((256, 80, 200, "hann"), (256, 128, 256, "hamming"), (512, 64, 512, "blackman")):
        Z, _ = stft(x, lengths, *form)
        error = float((inverse_stft(Z, lengths, *form) - x).abs().max())
        yield check(f"largest error, {form[3]}", error, at_most=1e-12)


@reproduction(
    "7.22",
    claim="a sine of full scale stands 6.02 b + 1.76 dB above the noise of rounding to b bits; 40 dB below full scale, "
    "8 bits of mu-law are worth 12 bits of uniform steps",
    source="Bennett (1948); Smith (1957)",
    protocol="1,000,000 samples of a sine of irrational frequency; for mu-law (mu = 255) scaled to 1 and to 1/100",
    mark="C",
)
def rounding():
    from peira.experience.companding import from_pcm, mu_law_decode, mu_law_encode, sqnr, to_pcm

    sine = np.sin(2 * np.pi * np.sqrt(2) / 100 * np.arange(1_000_000))
    for bits in (8, 10, 12, 16, 20):
        x = sine * (1 - 2.0 ** (1 - bits))  # the largest number that b bits hold
        yield check(f"{bits} bits, dB", sqnr(x, from_pcm(to_pcm(x, bits), bits)), 6.0206 * bits + 1.7609, tolerance=0.1)
    for name, x in (("full scale", sine), ("1/100 of it", sine / 100)):
        yield check(f"mu-law, {name}, dB", sqnr(x, mu_law_decode(mu_law_encode(x))), at_least=33.0, at_most=42.0)
    for bits in (8, 12):
        quiet = sqnr(sine / 100, from_pcm(to_pcm(sine / 100, bits), bits))
        yield check(f"{bits} bits uniform, 1/100 of full scale, dB", quiet, 6.0206 * bits + 1.7609 - 40, tolerance=2.0)
    codes = np.arange(256)
    yield check("codes that do not come back", int((mu_law_encode(mu_law_decode(codes)) != codes).sum()), 0)


@reproduction(
    "7.22",
    claim="mel spectra and mel cepstra agree with librosa's to 1e-4, their slopes too",
    source="librosa 0.11: feature.melspectrogram, power_to_db, feature.mfcc, feature.delta",
    protocol="100 spoken digits; librosa's own defaults (frames of 2048, 512 apart, 20 cepstra) with 64 bands, and "
    "those of speech (25 ms, 10 ms apart, 40 bands, 13 cepstra); largest difference over frames and recordings, in dB",
    data="fsdd/fsdd_4speakers.npz",
    mark="C",
)
def cepstra():
    import librosa

    audio = digits(range(0, 2000, 20))
    forms = (
        ("librosa's defaults", dict(n_fft=2048, hop_length=512, win_length=2048, n_mels=64), 20),
        ("speech", dict(n_fft=256, hop_length=80, win_length=200, n_mels=40), 13),
    )
    for name, form, n_mfcc in forms:
        ours = audio.features("mfcc", n_mfcc=n_mfcc, deltas=1, **form)
        bands = audio.features("mel", **form)
        worst = dict.fromkeys(("mel bands", "cepstra", "slopes"), 0.0)
        for wave, own, own_bands in zip(audio, ours, bands, strict=True):
            power = librosa.feature.melspectrogram(y=wave.astype(np.float64), sr=8000, **form)
            db = librosa.power_to_db(power)
            c = librosa.feature.mfcc(S=db, n_mfcc=n_mfcc)
            theirs = {"mel bands": db, "cepstra": c, "slopes": librosa.feature.delta(c, width=5, mode="nearest")}
            found = {"mel bands": own_bands, "cepstra": own[:, :n_mfcc], "slopes": own[:, n_mfcc:]}
            for what in worst:
                worst[what] = max(worst[what], float(np.abs(found[what] - theirs[what].T).max()))
        for what, gap in worst.items():
            yield check(f"{what}, {name}: largest difference", gap, at_most=1e-4)
