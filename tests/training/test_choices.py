"""The choices of a recipe: features, losses, weights, validation, precision, machines."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from emotionrecog.augmentation import Chain, Gain, SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.errors import DatasetError, LeakageError
from emotionrecog.evaluation import evaluate
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.inference.windows import pad_with_silence
from emotionrecog.recognizer import EmotionRecognizer
from emotionrecog.training import Recipe, data, loop
from emotionrecog.training.data import Batches, Clips
from tests.conftest import ROOT

train = EmotionRecognizer.train

pytestmark = pytest.mark.tensorflow

RATE = 16_000
PITCHES = {"neutral": 150.0, "happy": 600.0, "angry": 2_400.0}
MFCC = FeatureSpec(
    features=("rms", "spectral_centroid", "mfcc"), n_mels=20, n_mfcc=4, n_fft=512, hop_length=512
)
GRU = Recipe.of(
    "gru",
    sizes={"units": 6, "n_layers": 1, "hidden": 6, "dropout": 0.0},
    features=MFCC,
    epochs=2,
    batch_size=8,
    crop_frames=16,
    patience=None,
    learning_rate=1e-2,
)


def record(folder: Path, emotion: str, number: int, n_speakers: int = 5) -> Utterance:
    """Write a harmonic tone in faint noise, of varying length."""
    path = folder / f"{emotion}_{number}.wav"
    rng = np.random.default_rng(100 * EMOTIONS.index(emotion) + number)
    t = np.arange(int((0.45 + 0.05 * (number % 4)) * RATE)) / RATE
    f0 = PITCHES[emotion] * rng.uniform(0.94, 1.06)
    y = sum(0.2 * np.sin(2 * np.pi * f0 * k * t) / k for k in (1, 2, 3))
    soundfile.write(path, y + 0.001 * rng.normal(size=t.size), RATE)
    votes = tuple(2 if e == emotion else int(e == "calm") for e in EMOTIONS)
    speaker = f"first/{number % n_speakers}"
    return Utterance(path, emotion, corpus="first", speaker=speaker, votes=votes)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("recordings")
    return [record(folder, emotion, i) for emotion in PITCHES for i in range(10)]


@pytest.fixture(scope="module")
def clips(recordings: list[Utterance]) -> Clips:
    return data.read_clips(recordings, GRU, 1)[0]


def weights(clips: Clips, recipe: Recipe, **options: Any) -> list[np.ndarray]:
    values: list[np.ndarray] = loop.fit(clips, recipe, **options)[0].get_weights()
    return values


def differ(selected: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return any(np.abs(a - b).max() > 1e-4 for a, b in zip(selected, others, strict=True))


# Features ----------------------------------------------------------------------------------------


def test_training_works_with_any_features(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, epochs=15)
    recognizer = train(recordings, recipe=recipe, n_jobs=1)
    assert recognizer.artifact.features == MFCC
    actual = [recognizer.predict(u.path).emotion for u in recordings]
    assert np.mean([f == u.emotion for f, u in zip(actual, recordings, strict=True)]) > 0.9
    loss = [row["loss"] for row in recognizer.artifact.training["history"]]
    assert len(loss) == 15
    assert loss[-1] < loss[0] / 2


def test_training_features_equal_prediction_features(recordings: list[Utterance]) -> None:
    """The middle of a clip is the same in training and in the recogniser."""
    # In silence, the centroid would be one of rounding errors.
    plain = dataclasses.replace(MFCC, features=("rms", "mfcc"))
    for spec in (plain, dataclasses.replace(plain, normalization="utterance")):
        recipe = dataclasses.replace(GRU, features=spec, crop_frames=21)
        selected = [recordings[0], recordings[3]]  # shorter than the window
        clips, _ = data.read_clips(selected, recipe, 1)
        actual = Batches(clips, dataclasses.replace(recipe, batch_size=2)).fixed([0, 1])
        assert actual.shape == (2, 21, 5)
        for one, utterance in zip(actual, selected, strict=True):
            samples, _ = soundfile.read(utterance.path, dtype="float32")
            window = pad_with_silence(samples, 20 * MFCC.hop_length)
            expected = data.Extractor(spec)(window)
            np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-3)


def test_crops_of_short_clips_contain_them_completely(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, features=dataclasses.replace(MFCC, features=("rms",)))
    recipe = dataclasses.replace(recipe, crop_frames=40)
    clips, _ = data.read_clips(recordings[:8], recipe, 1)
    batches = Batches(clips, recipe)
    sums = {round(float(batches.batch(e, 0)[0][i].sum()), 1) for e in range(4) for i in range(8)}
    firsts = {int(x.argmax()) for e in range(4) for x in batches.batch(e, 0)[0]}
    assert max(sums) / min(sums) < 1.6  # all of a clip is in each crop, at another place
    assert len(firsts) > 5


def test_statistics_become_sizes_of_the_network(clips: Clips) -> None:
    _, sizes, _ = loop.fit(clips, GRU)
    batches = Batches(clips, GRU)
    rows = np.concatenate([batches.batch(0, i)[0].reshape(-1, 6) for i in range(len(batches))])
    np.testing.assert_allclose(sizes["mean"], rows.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(sizes["deviation"], rows.std(axis=0), rtol=1e-4)
    assert json.loads(json.dumps(sizes)) == sizes


def test_waveforms_are_varied(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, copies=2, waveforms=Chain((Gain(gain_db=(-12.0, -6.0)),)))
    clips, _ = data.read_clips(recordings, recipe, 1)
    assert [len(copy) for copy in clips.copies] == [30, 30]
    for copy in clips.copies:
        ratio = [c[:, 0].max() / f[:, 0].max() for c, f in zip(copy, clips.frames, strict=True)]
        assert 10 ** (-12 / 20) <= min(ratio) < max(ratio) <= 10 ** (-6 / 20) + 1e-6
    assert not np.allclose(clips.copies[0][0], clips.copies[1][0])
    again, _ = data.read_clips(recordings, recipe, 2)
    np.testing.assert_array_equal(clips.copies[1][7], again.copies[1][7])
    assert data.read_clips(recordings, recipe, 1, varied=False)[0].copies == []


def test_linear_is_the_regression_of_scikit_learn(recordings: list[Utterance]) -> None:
    from sklearn.linear_model import LogisticRegression

    recipe = Recipe.of("linear", balance="none")
    recognizer = train(recordings, recipe=recipe, n_jobs=1)
    clips, _ = data.read_clips(recordings, recipe, 1)
    rows = np.concatenate(clips.frames).astype(np.float64)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    model = LogisticRegression(C=0.01, tol=1e-6, max_iter=1000).fit(scaled, clips.emotions)
    expected = model.predict_proba(scaled)
    actual = np.array([recognizer.probabilities(u.path) for u in recordings])
    np.testing.assert_allclose(actual[:, model.classes_], expected, atol=2e-3)
    assert np.delete(actual, model.classes_, axis=1).max() < 1e-6


def test_linear_of_two_emotions(recordings: list[Utterance]) -> None:
    labels = ("neutral", "happy")
    selected = [u for u in recordings if u.emotion in labels]
    recognizer = train(selected, recipe=Recipe.of("linear", batch_size=8, labels=labels), n_jobs=1)
    assert recognizer.labels == labels
    assert [recognizer.predict(u.path).emotion for u in selected] == [u.emotion for u in selected]


# Targets and weights -----------------------------------------------------------------------------


def test_labels_equal_those_of_the_recipe(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, labels=("neutral", "happy", "angry"))
    recognizer = train(recordings, recipe=recipe, n_jobs=1)
    assert recognizer.labels == recipe.labels
    assert set(recognizer.predict(recordings[0].path).probabilities) == set(recipe.labels)
    with pytest.raises(
        DatasetError, match=r"distinguish are neutral, happy, but some utterances are angry"
    ):
        train(recordings, recipe=dataclasses.replace(GRU, labels=("neutral", "happy")), n_jobs=1)


def test_votes_soften_targets(clips: Clips) -> None:
    recipe = dataclasses.replace(GRU, soft_targets=0.6, label_smoothing=0.0)
    targets = Batches(clips, recipe).targets
    # Two of three listeners agreed, the third said calm.
    np.testing.assert_allclose(targets[0, :8], [0.8, 0.2, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert differ(weights(clips, recipe), weights(clips, GRU))


def test_balance_by_weights_uses_each_clip_once(clips: Clips) -> None:
    fewer = list(range(22))  # ten, ten and two
    selected = dataclasses.replace(
        clips,
        frames=[clips.frames[i] for i in fewer],
        emotions=clips.emotions[fewer],
        groups=clips.groups[fewer],
        votes=None,
    )
    weighed = Batches(selected, dataclasses.replace(GRU, balance="weights"))
    assert sorted(weighed.order(0)) == fewer
    of_rare = {
        round(float(w), 3)
        for i in range(len(weighed))
        for w, t in zip(*weighed.batch(0, i)[:0:-1], strict=True)
        if t[:8].argmax() == EMOTIONS.index("angry")
    }
    of_others = {
        round(float(w), 3)
        for i in range(len(weighed))
        for w, t in zip(*weighed.batch(0, i)[:0:-1], strict=True)
        if t[:8].argmax() != EMOTIONS.index("angry")
    }
    assert len(of_others) == 1
    assert all(w == pytest.approx(5 * min(of_others), rel=1e-2) for w in of_rare)
    plain = Batches(selected, dataclasses.replace(GRU, balance="none"))
    assert sorted(plain.order(3)) == fewer
    assert (plain.batch(0, 0)[2] == 1).all()


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "focal"},
        {"weight_decay": 0.5},
        {"schedule": "cosine"},
        {"balance": "none"},
        {"augmentation": SpectrogramAugmentation(masks=1, mask_bands=2, mask_frames=4, mixup=0.0)},
        {"augmentation": SpectrogramAugmentation(masks=0, mixup=0.5)},
        {"sizes": {"units": 6, "n_layers": 1, "hidden": 6, "dropout": 0.0, "l2": 0.1}},
    ],
    ids=lambda change: "-".join(map(str, change)),
)
def test_choice_makes_a_difference(clips: Clips, change: dict[str, Any]) -> None:
    changed = weights(clips, dataclasses.replace(GRU, **change))
    assert all(np.isfinite(value).all() for value in changed)
    assert differ(changed, weights(clips, GRU))


def test_averages_cover_a_tenth_of_the_steps(clips: Clips) -> None:
    longer = dataclasses.replace(GRU, epochs=5)  # of three steps
    averaged = weights(clips, dataclasses.replace(longer, averaging=0.3))
    assert differ(averaged, weights(clips, longer))
    reach = weights(clips, dataclasses.replace(longer, averaging=1 / 3))
    assert not differ(reach, weights(clips, dataclasses.replace(longer, averaging=0.999)))


def test_adam_is_adamw_without_decay(clips: Clips) -> None:
    adam = weights(clips, dataclasses.replace(GRU, optimizer="adam", weight_decay=0.5))
    assert not differ(adam, weights(clips, dataclasses.replace(GRU, weight_decay=0.0)))


# Validation --------------------------------------------------------------------------------------


def test_validation_is_held_out_if_it_is_needed(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, patience=3, epochs=2)
    recognizer = train(recordings, recipe=recipe, n_jobs=1)
    training = recognizer.artifact.training
    held = training["validation_speakers"]
    assert len(held) == 1
    assert training["speakers"] == sorted({u.speaker for u in recordings})  # all of them were heard
    assert {"validation_loss", "validation_uar"} <= set(training["history"][0])
    with pytest.raises(LeakageError):
        evaluate(recognizer, [u for u in recordings if u.speaker in held])


def test_training_stops_and_keeps_the_best(clips: Clips) -> None:
    """Validation that contradicts training gets worse, so an early epoch is the best."""
    other = (clips.emotions + 1) % 8
    contrary = dataclasses.replace(
        clips, emotions=other, present=np.ones_like(clips.present), votes=None
    )
    recipe = dataclasses.replace(GRU, patience=2, epochs=9, label_smoothing=0.0)
    network, _, history = loop.fit(clips, recipe, contrary)
    scores = [(row["validation_uar"], -row["validation_loss"]) for row in history]
    best = scores.index(max(scores))
    assert len(history) == best + 3 < 9
    short = dataclasses.replace(recipe, epochs=9, patience=None)
    expected = None
    run = loop._Loop.run

    def stop(self: Any) -> Any:
        nonlocal expected
        original = self._epoch

        def noted(epoch: int, *rest: Any) -> None:
            nonlocal expected
            original(epoch, *rest)
            if epoch == best:
                expected = self._weights()

        self._epoch = noted
        return run(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Loop, "run", stop)
        loop.fit(clips, short, contrary)
    assert expected is not None
    for actual, wanted in zip(network.variables, expected, strict=True):
        np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_shared_speakers_raise(recordings: list[Utterance]) -> None:
    with pytest.raises(LeakageError, match=r"training and validation share 5 speakers \(first/0"):
        train(recordings, recordings[:10], recipe=GRU, n_jobs=1)
    with pytest.raises(LeakageError, match="share"):
        train(
            [u for u in recordings if u.speaker != "first/0"],
            [u for u in recordings if u.speaker == "first/0"],
            test_set=[u for u in recordings if u.speaker == "first/0"],
            recipe=GRU,
            compare_audio=False,
            n_jobs=1,
        )


# Continued training ------------------------------------------------------------------------------


def test_training_continues_from_a_recogniser(recordings: list[Utterance]) -> None:
    begun = train(recordings, recipe=dataclasses.replace(GRU, epochs=8), n_jobs=1)
    slow = dataclasses.replace(GRU, epochs=1, learning_rate=1e-5)
    further = train(recordings, recipe=slow, start=begun, n_jobs=1)
    assert further.artifact.sizes == begun.artifact.sizes
    assert further.artifact.training["initial_weights"] == begun.artifact.name
    rows = [[r.probabilities(u.path) for u in recordings[::5]] for r in (begun, further)]
    np.testing.assert_allclose(rows[0], rows[1], atol=0.02)
    assert not np.array_equal(rows[0], rows[1])
    with pytest.raises(ValueError, match="`start` must fit the recipe, but their crop_frames"):
        train(recordings, recipe=dataclasses.replace(slow, crop_frames=9), start=begun, n_jobs=1)
    with pytest.raises(ValueError, match="cannot both be given"):
        train(recordings, recipe=Recipe(), start=begun, initial_weights="x.npz", n_jobs=1)


# Machines ----------------------------------------------------------------------------------------


def test_mixed_precision_ends_in_float32(recordings: list[Utterance]) -> None:
    recipe = dataclasses.replace(GRU, mixed_precision=True)
    recognizer = train(recordings, recipe=recipe, n_jobs=1)
    plain = train(recordings, recipe=GRU, n_jobs=1)
    rows = [[r.probabilities(u.path) for u in recordings[::5]] for r in (recognizer, plain)]
    assert not np.array_equal(rows[0], rows[1])
    np.testing.assert_allclose(rows[0], rows[1], atol=0.1)


WORKER = """
import json, sys
import numpy as np, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
from pathlib import Path
from emotionrecog.datasets import Utterance
from emotionrecog.training import Recipe, data, loop
from tests.training import test_choices as here
paths = json.loads(sys.argv[1])
said = [Utterance(Path(p), e, corpus="first", speaker="first/1") for p, e in paths]
clips, _ = data.read_clips(said, here.GRU, 1)
network, _, history = loop.fit(clips, here.GRU, strategy=strategy)
np.savez(sys.argv[2], *network.get_weights())
"""


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_two_machines_train_as_one(recordings: list[Utterance], tmp_path: Path) -> None:
    """Compare two processes of a ``MultiWorkerMirroredStrategy`` with one process."""
    listed = json.dumps([(str(u.path), u.emotion) for u in recordings])
    ports = free_ports(2)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    processes = []
    for index in (0, 1):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        command = [sys.executable, "-c", WORKER, listed, str(tmp_path / f"{index}.npz")]
        processes.append(
            subprocess.Popen(
                command,
                env={**environment, "TF_CONFIG": json.dumps(task)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors.decode()[-2000:]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    clips, _ = data.read_clips(recordings, GRU, 1)
    expected = weights(clips, GRU)
    saved = [np.load(tmp_path / f"{index}.npz") for index in (0, 1)]
    for name, wanted in zip(saved[0].files, expected, strict=True):
        np.testing.assert_array_equal(saved[0][name], saved[1][name])
        np.testing.assert_allclose(saved[0][name], wanted, rtol=1e-3, atol=1e-5)


def test_batch_must_divide_among_replicas(clips: Clips) -> None:
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(ValueError, match="multiple of the 3 replicas of the strategy, got 8"):
        loop._Loop(
            loop.models.build("gru", 6, 8, **GRU.sizes),
            Batches(clips, GRU),
            None,
            GRU,
            None,
            Three(),
        )  # type: ignore[arg-type]


def test_presets_train() -> None:
    """A recipe accepts every preset."""
    for spec in PRESETS.values():
        assert Recipe.of("gru", features=spec).features == spec
