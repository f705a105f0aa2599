import pytest
from pytorch_lightning.callbacks import Timer


def test_a_callback_of_the_users_sees_the_scores_that_the_record_has(train, monkeypatch):
    seen = []
    monkeypatch.setattr(
        Timer, "on_validation_end", lambda self, trainer, learner: seen.append(dict(trainer.callback_metrics))
    )
    record, _ = train("callbacks=timer", "seeds=3", "trainer.max_steps=20", "trainer.val_every_steps=10")
    assert len(seen) == 2
    best = [replica["best_step"] for replica in record["replicas"]]
    assert best == [20, 20, 20]  # otherwise the record's scores are not those of the last validation
    mean = sum(replica["val"]["mse"] for replica in record["replicas"]) / 3
    assert float(seen[-1]["val/mse"]) == pytest.approx(mean)
