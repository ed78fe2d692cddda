"""Samples in memory, waveforms and resampling: every form of them, and every error."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotionrecog.audio import MAX_SAMPLING_RATE, MIN_SAMPLING_RATE, Waveform, load
from emotionrecog.audio.waveform import MAX_CHANNELS
from emotionrecog.errors import AudioError
from tests.audio.conftest import CONSTANT, NOT_A_NUMBER, RATE, encoded
from tests.conftest import tone

# --- Waveform -----------------------------------------------------------------------------------


def test_waveform_has_a_duration():
    waveform = Waveform(tone(seconds=0.25), RATE)
    assert waveform.duration == 0.25
    assert repr(waveform) == "Waveform(0.250 s at 16000 Hz)"


def test_waveform_is_frozen_and_can_be_pickled():
    waveform = load((tone(), RATE))
    with pytest.raises(AttributeError):
        waveform.sampling_rate = 8000
    copy = pickle.loads(pickle.dumps(waveform))
    np.testing.assert_array_equal(copy.samples, waveform.samples)
    assert copy.sampling_rate == RATE


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (tone().astype(np.float64), "got float64 of shape"),
        (tone().reshape(2, -1), "got float32 of shape (2, 4000)"),
        ([0.0, 0.1], "got list"),
        (np.empty(0, np.float32), "got 0 samples"),
    ],
)
def test_waveform_validates_its_samples(samples, message):
    with pytest.raises(AudioError, match=re.escape(message)):
        Waveform(samples, RATE)


def test_sampling_rate_becomes_an_int():
    rate = Waveform(tone(), np.int64(RATE)).sampling_rate
    assert type(rate) is int
    assert rate == RATE


# --- samples in memory --------------------------------------------------------------------------


def test_floats_are_not_scaled():
    loud = 3 * tone()
    np.testing.assert_array_equal(load((loud, RATE)).samples, loud)
    np.testing.assert_array_equal(load((loud.astype(np.float64), RATE)).samples, loud)
    half = tone().astype(np.float16)
    np.testing.assert_array_equal(load((half, RATE)).samples, half.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "lowest", "middle", "highest"),
    [
        (np.int8, -128, 0, 127),
        (np.uint8, 0, 128, 255),
        (np.int16, -32768, 0, 32767),
        (np.uint16, 0, 32768, 65535),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.uint32, 0, 2**31, 2**32 - 1),
    ],
)
def test_integers_are_scaled_by_their_full_scale(dtype, lowest, middle, highest):
    samples = np.array([lowest, middle, highest], dtype=dtype)
    scaled = load((samples, RATE)).samples
    full_scale = 2.0 ** (8 * samples.itemsize - 1)
    np.testing.assert_allclose(scaled, [-1, 0, 1 - 1 / full_scale], rtol=1e-7, atol=0)


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32]),
        st.integers(2, 50),
    ).filter(lambda samples: int(samples.max()) - int(samples.min()) > 1e-5 * 2**31)
    | hnp.arrays(np.int16, st.integers(2, 50)).filter(lambda samples: np.ptp(samples) > 0)
)
def test_scaling_keeps_order_and_bounds(samples):
    scaled = load((samples, RATE)).samples
    assert np.all(np.abs(scaled) <= 1)
    order = np.argsort(samples, kind="stable")
    assert np.all(np.diff(scaled[order]) >= 0)


def test_integers_agree_with_libsndfile():
    for dtype, subtype in ((np.int16, "PCM_16"), (np.int32, "PCM_32")):
        samples = (tone() * np.iinfo(dtype).max).astype(dtype)
        content = encoded(samples, subtype=subtype)
        np.testing.assert_array_equal(load((samples, RATE)).samples, load(content).samples)


@pytest.mark.parametrize("change", ["byte order", "strides", "read-only", "list"])
def test_unusual_arrays_load_alike(change):
    samples = tone().astype(np.float64)
    unusual = {
        "byte order": samples.astype(samples.dtype.newbyteorder()),
        "strides": np.repeat(samples, 3)[::3],
        "read-only": samples.copy(),
        "list": samples.tolist(),
    }[change]
    if change == "read-only":
        unusual.flags.writeable = False
    np.testing.assert_array_equal(load((unusual, RATE)).samples, tone())


def test_array_of_the_caller_is_not_changed():
    samples = tone()
    waveform = load((samples, RATE))
    assert not np.shares_memory(waveform.samples, samples)
    assert samples.flags.writeable
    np.testing.assert_array_equal(samples, tone())
    assert not waveform.samples.flags.writeable


def test_waveform_at_the_target_rate_is_returned_itself():
    waveform = Waveform(tone(), RATE)
    assert load(waveform) is waveform
    assert load(waveform, sampling_rate=RATE) is waveform
    assert waveform.samples.flags.writeable
    assert load(waveform, sampling_rate=8000).samples.shape == (4000,)
    with pytest.raises(AudioError, match="the given Waveform: silent"):
        load(Waveform(CONSTANT, RATE))


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(20, 60), st.integers(1, 8)),
        elements=st.floats(-1, 1, width=32),
    ).filter(lambda frames: np.ptp(frames.mean(axis=1)) > 1e-3)
)
def test_order_of_the_axes_does_not_matter(frames):
    waveform = load((frames, RATE))
    assert waveform.samples.shape == (len(frames),)
    np.testing.assert_allclose(waveform.samples, frames.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(load((frames.T, RATE)).samples, waveform.samples)


def test_channels_of_a_file_are_averaged():
    frames = np.stack([tone(), 0.5 * tone(), np.zeros(8000, np.float32)], axis=1)
    waveform = load(encoded(frames, subtype="FLOAT"))
    np.testing.assert_allclose(waveform.samples, 0.5 * tone(), atol=1e-6)
    # Two frames of three channels: a file says which axis is which.
    assert load(encoded(frames[5:7], subtype="FLOAT")).samples.shape == (2,)


WRONG_SAMPLES = {
    "square": (np.ones((16, 16)), "cannot tell channels from samples in shape (16, 16)"),
    "two long axes": (np.ones((MAX_CHANNELS + 1, 500)), "cannot tell channels from samples"),
    "three axes": (np.ones((1, 2, 500)), "got (1, 2, 500); pass one recording at a time"),
    "no axis": (np.float32(0.5), "got ()"),
    "empty": (np.empty(0), "no samples"),
    "empty stereo": (np.empty((2, 0)), "no samples"),
    "booleans": (tone() > 0, "got bool"),
    "complex": (tone().astype(np.complex64), "got complex64"),
    "objects": (np.array([None, 1.0]), "got object"),
    "text": (np.array(["a", "b"]), "got <U1"),
    "64-bit integers": (np.arange(50), "got int64; 64-bit integers have no customary full scale"),
    "ragged": ([[0.1, 0.2], [0.3]], "not a rectangular array"),
    "NaN": (NOT_A_NUMBER, "1 of 8000 samples are NaN or infinite"),
    "infinite": (np.array([0.0, np.inf, -np.inf]), "2 of 3 samples are NaN or infinite"),
    "infinite in stereo": (np.array([[0.0, np.inf, 1], [0, -np.inf, 1]]), "1 of 3 samples"),
    "too large for float32": (np.array([0.0, 1e300]), "1 of 2 samples are NaN or infinite"),
    "zeros": (np.zeros(100), "silent"),
    "zeros after a lossy codec": (tone() * np.float32(1e-34), "silent"),
    "just silent": (tone() * 1e-6, "silent"),
    "constant": (CONSTANT, "silent"),
    "one sample": (np.array([0.5]), "silent"),
    "inverted channels": (np.stack([tone(), -tone()]), "channels cancel out"),
}


@pytest.mark.parametrize("case", WRONG_SAMPLES)
def test_wrong_samples(case):
    samples, message = WRONG_SAMPLES[case]
    with pytest.raises(AudioError, match="the given samples: .*" + re.escape(message)):
        load((samples, RATE))


def test_faint_recording_is_not_silent():
    assert load((tone() * 1e-5, RATE)).duration == 0.5


@pytest.mark.parametrize(
    "rate",
    [0, -RATE, MIN_SAMPLING_RATE - 1, MAX_SAMPLING_RATE + 1, 16000.5, np.nan, np.inf, "16000",
     None, True],
)  # fmt: skip
def test_wrong_rates(rate):
    with pytest.raises(AudioError, match=f"sampling rate must be .* got {re.escape(repr(rate))}"):
        load((tone(), rate))
    if rate is not None:
        with pytest.raises(ValueError, match="`sampling_rate` must be") as caught:
            load((tone(), RATE), sampling_rate=rate)
        assert not isinstance(caught.value, AudioError)


@pytest.mark.parametrize("rate", [MIN_SAMPLING_RATE, MAX_SAMPLING_RATE, 16000.0, np.int32(16000)])
def test_right_rates(rate):
    loaded_rate = load((tone(), rate)).sampling_rate
    assert type(loaded_rate) is int
    assert loaded_rate == rate


@pytest.mark.parametrize("pair", [(RATE, tone()), (tone(),), (tone(), RATE, "left"), ()])
def test_tuple_must_be_samples_and_rate(pair):
    with pytest.raises(AudioError, match=r"must be \(samples, sampling_rate\), in this order"):
        load(pair)


# --- resampling ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.sampled_from([8000, 11025, 16000, 22050, 24414, 44100, 48000, 96000]),
    st.sampled_from([8000, 16000, 22050, 48000]),
    st.floats(0.2, 0.5),
    st.floats(200, 3000),
)
def test_resampling_keeps_duration_pitch_and_level(rate, target, duration, pitch):
    samples = tone(pitch, duration, rate)
    waveform = load((samples, rate), sampling_rate=target)
    assert waveform.sampling_rate == target
    assert len(waveform.samples) == pytest.approx(len(samples) * target / rate, abs=1)
    expected = tone(pitch, duration, target)
    n_edge = target // 20  # the filter rings where the tone begins and ends
    middle = slice(n_edge, min(len(expected), len(waveform.samples)) - n_edge)
    np.testing.assert_allclose(waveform.samples[middle], expected[middle], atol=2e-3)


def test_resampling_removes_frequencies_beyond_the_new_rate():
    mixed = tone(440, rate=48000) + tone(15000, rate=48000)
    waveform = load((mixed, 48000), sampling_rate=RATE)
    np.testing.assert_allclose(waveform.samples[500:-500], tone()[500:-500], atol=2e-3)


def test_resampling_that_leaves_no_samples_raises():
    with pytest.raises(AudioError, match="no samples are left of 2"):
        load((np.array([0.5, -0.5]), 384000), sampling_rate=8000)


# --- weight -------------------------------------------------------------------------------------


def test_importing_is_light():
    code = (
        "import sys; from emotionrecog.audio import load; import numpy;"
        "load((numpy.sin(numpy.arange(9000)), 16000));"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "numpy" in shown
    assert not {"librosa", "numba", "scipy", "soundfile", "soxr", "tensorflow"} & set(shown)


@pytest.mark.corpora
def test_silent_clip_of_a_corpus_raises(corpora_root):
    with pytest.raises(AudioError, match=r"1076_MTI_SAD_XX.*silent"):
        load(next((corpora_root / "crema_d").glob("1076_MTI_SAD_XX.*")))
