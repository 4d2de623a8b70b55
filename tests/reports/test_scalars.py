"""What TensorBoard reads of a training that went on, and of a trial."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from kerasnets.reports.scalars import ScalarLog, write_trial


def test_steps_that_are_told_again_take_the_place(tmp_path):
    for first, losses in ((1, [2.0, 1.5, 1.25]), (3, [1.0, 0.5])):
        log = ScalarLog(tmp_path, first)
        for step, loss in enumerate(losses, start=first):
            log.add(step, {"loss": loss, "accuracy": 1 - loss / 4})
        log.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    assert found.Tags()["scalars"] == ["loss", "accuracy"]
    rows = [(event.step, event.value) for event in found.Scalars("loss")]
    assert rows == [(1, 2.0), (2, 1.5), (3, 1.0), (4, 0.5)]


def test_trial_is_told_to_the_view_of_hyperparameters(tmp_path):
    values = {"alpha": 0.25, "depth": 2, "kind": "A", "twice": True}
    write_trial(tmp_path, values, {"val_accuracy": 0.5})
    found = EventAccumulator(str(tmp_path)).Reload()
    (content,) = found.PluginTagToContent("hparams").values()
    told = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert told.hparams["alpha"].number_value == 0.25
    assert told.hparams["depth"].number_value == 2
    assert told.hparams["kind"].string_value == "A"
    assert told.hparams["twice"].bool_value
    (event,) = found.Scalars("val_accuracy")
    assert (event.step, event.value) == (0, pytest.approx(0.5))
