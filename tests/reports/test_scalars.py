"""What TensorBoard reads of a training that was broken off and went on."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kerasnets.reports.scalars import ScalarLog


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
