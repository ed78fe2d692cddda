"""Augmentation of spectrograms whose expected result is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import augmentation
from emotionrecog.augmentation import SpectrogramAugmentation, fit_length, mixup, spec_augment
from emotionrecog.features import Extractor, FeatureSpec
from emotionrecog.features.mel import relative_to_voice

N_MELS = 40
OFF = {
    "time_scale": 0.0,
    "mel_shift": 0.0,
    "colouration_db": 0.0,
    "noise_probability": 0.0,
    "reverberation_probability": 0.0,
    "narrow_probability": 0.0,
    "masks": 0,
    "mixup": 0.0,
}


def only(**options: float | tuple[float, float]) -> SpectrogramAugmentation:
    """Return an augmentation with only the named parts active."""
    return SpectrogramAugmentation(**(OFF | options))  # type: ignore[arg-type]


def clip(n_frames: int, seed: int = 0, n_mels: int = N_MELS) -> np.ndarray:
    """Return log power that varies over 60 dB, as in training."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-14.0, 0.0, (n_frames, n_mels)).astype(np.float16)


def ridge(n_frames: int, frame: float, band: float) -> np.ndarray:
    """Return the log power of a short sound at a frame and a band."""
    t, f = np.arange(n_frames)[:, np.newaxis], np.arange(N_MELS)
    return (-(((t - frame) / 3.0) ** 2) - ((f - band) / 2.0) ** 2).astype(np.float32)


def centre(power: np.ndarray) -> tuple[float, float]:
    """Return the mean frame and the mean band of power."""
    total = power.sum()
    frame = (power.sum(axis=1) * np.arange(power.shape[0])).sum() / total
    return frame, (power.sum(axis=0) * np.arange(power.shape[1])).sum() / total


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 90), min_size=1, max_size=4),
    n_frames=st.integers(2, 70),
    n_mels=st.integers(8, 48),
    seed=st.integers(0, 2**32 - 1),
)
def test_power_of_any_shape(lengths: list[int], n_frames: int, n_mels: int, seed: int) -> None:
    everything = SpectrogramAugmentation(noise_probability=0.7, reverberation_probability=0.7)
    clips = [clip(length, i, n_mels) for i, length in enumerate(lengths)]
    power = everything.power(clips, n_frames, rng(seed))
    assert power.shape == (len(lengths), n_frames, n_mels)
    assert power.dtype == np.float32
    assert np.isfinite(power).all()
    assert (power > 0).all()
    np.testing.assert_allclose(relative_to_voice(power), power, rtol=1e-5)  # level removed
    again = everything.power(clips, n_frames, rng(seed))
    np.testing.assert_array_equal(again, power)


def test_draws_differ_between_seeds() -> None:
    clips = [clip(60)] * 2
    power = SpectrogramAugmentation().power(clips, 50, rng(0))
    assert not np.allclose(power[0], power[1])
    assert not np.allclose(power, SpectrogramAugmentation().power(clips, 50, rng(1)))


@pytest.mark.parametrize("n_frames", [60, 83])
def test_inactive_augmentation_changes_nothing(n_frames: int) -> None:
    given_clip = clip(60)
    (power,) = only().power([given_clip], n_frames, rng())
    expected = relative_to_voice(np.exp(given_clip.astype(np.float32)))
    if n_frames == 60:
        np.testing.assert_allclose(power, expected, rtol=1e-5)
        return
    # Padded with silence, at a random and fractional position.
    inside = power.sum(axis=1) > 1e-6
    assert inside.sum() in (59, 60)
    assert np.ptp(np.flatnonzero(inside)) == inside.sum() - 1
    assert power[~inside].max() < 1e-10


def test_long_clips_are_cropped_at_random_positions() -> None:
    """Crops reach both ends of the clip, as the position of a bump shows."""
    batch = only().power([ridge(100, 50.0, 20.0)] * 200, 40, rng())
    starts = np.array([50.0 - centre(power)[0] for power in batch[batch.max(axis=(1, 2)) > 0.1]])
    # Crops without the bump hold only its flat skirt.
    within = starts[(starts > 17) & (starts < 43)]
    assert len(within) > 50
    assert within.min() < 20
    assert within.max() > 40


def test_mel_shift_moves_only_bands() -> None:
    batch = only(mel_shift=4.0).power([ridge(60, 30.0, 20.0)] * 300, 60, rng())
    frames, bands = np.array([centre(power) for power in batch]).T
    np.testing.assert_allclose(frames, 30.0, atol=0.05)
    moved = bands - 20.0
    assert np.abs(moved).max() < 4.05
    assert moved.min() < -3.5
    assert moved.max() > 3.5
    assert abs(moved.mean()) < 0.5


def test_time_scale_moves_only_frames() -> None:
    """Two bumps 40 frames apart are 40 / speed apart afterwards."""
    both = np.logaddexp(ridge(80, 20.0, 10.0), ridge(80, 60.0, 30.0))
    batch = only(time_scale=0.2).power([both] * 300, 120, rng())
    distances, bands = [], []
    for power in batch:
        (early, low), (late, high) = (centre(power[:, :20]), centre(power[:, 20:]))
        distances.append(late - early)
        bands.append((low, high + 20))
    np.testing.assert_allclose(bands, [[10.0, 30.0]] * 300, atol=0.05)
    assert 40 / 1.2 - 0.2 < min(distances) < 34.0
    assert 48.5 < max(distances) < 40 / 0.8 + 0.2


def test_noise_raises_the_floor_to_its_level() -> None:
    """Half of each clip is a flat voice; the silent half holds only the noise."""
    half = np.full((100, N_MELS), np.log(1e-12), dtype=np.float32)
    half[:50] = np.log(1.0 / N_MELS)
    quiet = only(noise_probability=1.0, noise_db=(-60.0, -60.0)).power([half] * 400, 100, rng())
    silent = quiet[:, 60:]  # the voice is the first half, because clip and crop have equal length
    floor_db = 10 * np.log10(silent.sum(axis=2).mean(axis=1))
    np.testing.assert_allclose(floor_db, -60.0, atol=0.3)
    assert 10 * np.log10(quiet[:, :50].sum(axis=2).mean()) == pytest.approx(0.0, abs=0.1)
    untouched = only(noise_probability=0.0).power([half] * 3, 100, rng())
    assert 10 * np.log10(untouched[:, 60:] * N_MELS).max() < -90


@pytest.mark.parametrize("tilt_db", [-5.0, 0.0, 25.0, 40.0])
def test_noise_has_the_requested_tilt(tilt_db: float) -> None:
    half = np.full((40, N_MELS), np.log(1e-12), dtype=np.float32)
    half[:20] = 0.0
    tilted = only(noise_probability=1.0, noise_db=(-20.0, -20.0), noise_tilt_db=(tilt_db, tilt_db))
    levels = 10 * np.log10(tilted.power([half] * 500, 40, rng())[:, 25:]).mean(axis=(0, 1))
    rise = np.polyfit(np.linspace(0, 1, N_MELS), levels, 1)[0]
    assert rise == pytest.approx(tilt_db, abs=1.0)


def test_white_and_pink_noise_are_within_the_tilts() -> None:
    """In mel power, white noise has about the steepest tilt drawn, and pink a medium one."""
    extract = Extractor(FeatureSpec())
    low, high = SpectrogramAugmentation().noise_tilt_db
    white = rng().normal(size=160_000)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 200)))
    slopes = []
    for noise in (white, pink):
        levels = 10 * np.log10(extract.relative_mel(noise).mean(axis=0))
        slopes.append(np.polyfit(np.linspace(0, 1, len(levels)), levels, 1)[0])
    assert low < slopes[1] < slopes[0] < high + 10


def test_narrow_channels_empty_the_ends() -> None:
    flat = np.zeros((10, N_MELS), dtype=np.float32)
    always = only(narrow_probability=1.0, narrow_low=0.2, narrow_high=0.5)
    batch = always.power([flat] * 500, 10, rng())
    is_kept = (batch > 1e-6).all(axis=1)
    assert (is_kept == (batch > 1e-6).any(axis=1)).all()  # the same bands throughout a clip
    first = is_kept.argmax(axis=1) / N_MELS
    last = is_kept[:, ::-1].argmax(axis=1) / N_MELS
    assert is_kept.sum(axis=1) / N_MELS == pytest.approx(1 - first - last)  # no gaps
    for emptied, largest in ((first, 0.2), (last, 0.5)):
        assert emptied.min() == 0
        assert emptied.max() == pytest.approx(largest, abs=0.03)
        assert emptied.mean() == pytest.approx(largest / 2, abs=0.02)
    sometimes = only(narrow_probability=0.3).power([flat] * 1000, 10, rng())
    assert (sometimes.min(axis=(1, 2)) < 1e-6).mean() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"narrow_probability": -1.0}, "`narrow_probability` must be a number from 0 to 1, got -1"),
        ({"narrow_low": 2.0}, "`narrow_low` must be a number from 0 to 1"),
        ({"narrow_low": 0.5, "narrow_high": 0.5}, "must leave bands between them"),
        ({"noise_db": (5.0, -50.0)}, "`noise_db` must be increasing"),
        ({"noise_probability": float("nan")}, "`noise_probability` must be a number from 0 to 1"),
    ],
)
def test_invalid_fields_raise(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpectrogramAugmentation(**options)


def test_noise_is_added_with_its_probability() -> None:
    half = np.full((20, N_MELS), np.log(1e-12), dtype=np.float32)
    half[:10] = 0.0
    batch = only(noise_probability=0.3, noise_db=(-40.0, -40.0)).power([half] * 1000, 20, rng())
    assert (batch[:, 15:].max(axis=(1, 2)) > 1e-8).mean() == pytest.approx(0.3, abs=0.05)


def test_colouration_is_one_smooth_curve_over_all_frames() -> None:
    flat = np.zeros((30, N_MELS), dtype=np.float32)
    batch = 10 * np.log10(only(colouration_db=2.5).power([flat] * 500, 30, rng()))
    np.testing.assert_allclose(batch, np.broadcast_to(batch[:, :1], batch.shape), atol=1e-4)
    curves = batch[:, 0] - batch[:, 0].mean(axis=1, keepdims=True)
    assert np.sqrt((curves**2).mean()) == pytest.approx(2.5, rel=0.1)
    assert np.abs(np.diff(curves, axis=1)).mean() < 0.5  # neighbours are similar


def test_reverberation_follows_the_sound() -> None:
    burst = np.full((100, N_MELS), np.log(1e-12), dtype=np.float32)
    burst[40:45] = 0.0
    batch = only(reverberation_probability=1.0).power([burst] * 50, 100, rng())
    energy_db = 10 * np.log10(batch.sum(axis=2))
    assert energy_db[:, :40].max() < -90
    assert (np.diff(energy_db[:, 46:60], axis=1) < 0).all()
    # 60 dB in 15 to 70 frames.
    slopes = (energy_db[:, 56] - energy_db[:, 46]) / 10
    assert slopes.min() > -60 / 15 - 0.01
    assert slopes.max() < -60 / 70 + 0.01


def test_level_of_the_clip_does_not_matter() -> None:
    clips = [ridge(50, 25.0, 20.0)]
    loud = SpectrogramAugmentation().power([c + 5.0 for c in clips], 40, rng())
    quiet = SpectrogramAugmentation().power(clips, 40, rng())
    np.testing.assert_allclose(loud[loud > 1e-6], quiet[loud > 1e-6], rtol=1e-3)


def test_mix_combines_inputs_and_targets_within_groups() -> None:
    n = 400
    groups = np.arange(n) % 4
    identity = np.eye(n, dtype=np.float32)
    inputs, targets = SpectrogramAugmentation(mixup=0.3).mix(identity, identity, groups, rng())
    np.testing.assert_array_equal(inputs, targets)
    np.testing.assert_allclose(inputs.sum(axis=1), 1.0, rtol=1e-6)
    shares = np.diag(inputs)
    assert (shares >= 0.5).all()
    assert (shares < 0.9).sum() > 50
    mixed, partners = np.nonzero(inputs)
    np.testing.assert_array_equal(groups[mixed], groups[partners])


def test_mix_accepts_inputs_of_any_rank() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    targets = np.eye(2, dtype=np.float32)
    inputs, mixed = SpectrogramAugmentation(mixup=1.0).mix(
        values, targets, np.zeros(2, dtype=int), rng(3)
    )
    assert not np.array_equal(inputs, values)
    np.testing.assert_allclose(inputs, np.einsum("ij,jkl->ikl", mixed, values), rtol=1e-6)


def test_mix_with_zero_changes_nothing() -> None:
    identity = np.eye(5, dtype=np.float32)
    inputs, targets = only().mix(identity, identity, np.zeros(5, dtype=int), rng())
    np.testing.assert_array_equal(inputs, identity)
    np.testing.assert_array_equal(targets, identity)


def test_masks_are_no_wider_than_their_limits() -> None:
    values = rng().normal(size=(200, 60, N_MELS)).astype(np.float32)
    masking = SpectrogramAugmentation(masks=1, mask_bands=5, mask_frames=9)
    masked = masking.features(values.copy(), rng())
    lowest = values.min(axis=(1, 2), keepdims=True)
    hidden = masked != values
    np.testing.assert_array_equal(masked[hidden], np.broadcast_to(lowest, values.shape)[hidden])
    # Hiding the lowest value does not change it, so a count may be one band or frame off.
    frames = (hidden.sum(axis=2) >= N_MELS - 1).sum(axis=1)
    bands = (hidden.sum(axis=1) >= 60 - 1).sum(axis=1)
    assert (frames.max(), bands.max()) == (9, 5)
    assert (frames.min(), bands.min()) == (0, 0)
    np.testing.assert_array_equal(only().features(values.copy(), rng()), values)


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 60), n_frames=st.integers(1, 60))
def test_fit_length_keeps_the_middle(length: int, n_frames: int) -> None:
    given_clip = np.arange(length, dtype=np.float16)[:, np.newaxis] * np.ones(3, dtype=np.float16)
    fitted = fit_length(given_clip, n_frames)
    assert fitted.shape == (n_frames, 3)
    assert fitted.dtype == np.float32
    kept = fitted[fitted[:, 0] >= 0, 0]
    assert len(kept) == min(length, n_frames)
    first = (length - n_frames) // 2 if length > n_frames else 0
    np.testing.assert_array_equal(kept, np.arange(first, first + len(kept)))
    if length < n_frames:
        before = int(np.argmax(fitted[:, 0] >= 0))
        assert abs(2 * before - (n_frames - length)) <= 1
        np.testing.assert_allclose(np.exp(fitted[0 if before else -1]), 1e-12, rtol=1e-4)


def test_smooth_curves_have_unit_variance() -> None:
    curves = augmentation.spectrograms._smooth_curves(3000, N_MELS, rng())
    assert curves.shape == (3000, 1, N_MELS)
    assert curves.std() == pytest.approx(1.0, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    n_clips=st.integers(0, 3),  # 0: one clip, without an axis for it
    n_frames=st.integers(1, 50),
    n_bands=st.integers(1, 30),
    masks=st.integers(0, 3),
    widths=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    seed=st.integers(0, 2**32 - 1),
)
def test_spec_augment_of_any_shape(
    n_clips: int, n_frames: int, n_bands: int, masks: int, widths: tuple[int, int], seed: int
) -> None:
    shape = (n_clips, n_frames, n_bands)[0 if n_clips else 1 :]
    values = rng(seed).normal(size=shape)
    kept = values.copy()
    bands, frames = widths
    hidden = spec_augment(values, rng(seed), masks=masks, mask_bands=bands, mask_frames=frames)
    np.testing.assert_array_equal(values, kept)
    assert hidden.shape == shape
    assert hidden.dtype == np.float32
    clips, original_clips = (v.reshape(-1, n_frames, n_bands) for v in (hidden, values))
    for clip, given_clip in zip(clips, original_clips.astype(np.float32), strict=True):
        changed = clip != given_clip
        assert (clip[changed] == given_clip.min()).all()
        # Only a stripe of bands, or hiding all frames, hides a whole band.
        assert changed.all(axis=0).sum() <= masks * bands + n_bands * (n_frames <= masks * frames)
    again = spec_augment(values, rng(seed), masks=masks, mask_bands=bands, mask_frames=frames)
    np.testing.assert_array_equal(hidden, again)


def test_methods_and_functions_agree() -> None:
    values = rng().normal(size=(6, 50, N_MELS)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)
    groups = np.array([0, 0, 0, 1, 1, 1])
    everything = SpectrogramAugmentation(masks=2, mask_bands=7, mask_frames=9, mixup=0.4)
    np.testing.assert_array_equal(
        everything.features(values, rng(1)),
        spec_augment(values, rng(1), masks=2, mask_bands=7, mask_frames=9),
    )
    for one, two in zip(
        everything.mix(values, targets, groups, rng(1)),
        mixup(values, targets, rng(1), alpha=0.4, groups=groups),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"masks": -1}, "masks"),
        ({"mask_bands": 1.5}, "mask_bands"),
        ({"mask_frames": True}, "mask_frames"),
        ({"features": np.zeros(5)}, "features"),
        ({"features": np.zeros((0, 5))}, "features"),
    ],
)
def test_invalid_arguments_of_spec_augment_raise(change: dict[str, object], name: str) -> None:
    arguments = {"features": np.zeros((4, 5)), "rng": rng()} | change
    with pytest.raises(ValueError, match=f"`{name}`"):
        spec_augment(**arguments)  # type: ignore[arg-type]


def test_invalid_arguments_of_mixup_raise() -> None:
    identity = np.eye(3, dtype=np.float32)
    for alpha in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="`alpha`"):
            mixup(identity, identity, rng(), alpha=alpha)
    with pytest.raises(ValueError, match="3, 2 and 3"):
        mixup(identity, identity[:2], rng())


def test_mixup_without_groups_pairs_all_clips() -> None:
    identity = np.eye(200, dtype=np.float32)
    inputs, targets = mixup(identity, identity, rng(), alpha=1.0)
    np.testing.assert_array_equal(inputs, targets)
    assert np.abs(np.diff(np.nonzero(inputs))).max() > 100
