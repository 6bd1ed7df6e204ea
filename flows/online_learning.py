"""Learn a model's events one by one: test, then train; and let what was learned challenge the champion."""

from prefect import flow

from db.records import RunEnding
from tasks.challenge import challenge
from tasks.check_model import check_model
from tasks.consume import ending_of, follow_champion, open_consumer, save, take_back
from tasks.find_pending import unstarted
from tasks.online_sources import PARTITIONS
from tasks.online_view import shown
from tasks.run import end_run, recorded_run


@flow(name="online", flow_run_name="{model} · online")
def online(model: str, source: str = PARTITIONS, for_minutes: float = 59.0) -> str:
    """Learn on from the champion, event by event, where the run before this one ended.

    Args:
        model: its name.
        source: "partitions", "-" for standard input, a file of JSON lines, or redis://host/stream.
        for_minutes: after which it ends, so that the next run goes on; 0 ends it when no event is left.

    Returns:
        How the run ended: "learned", "promoted", "retired", "no new data" or "needs attention".
    """
    with recorded_run(model) as run:
        if reason := unstarted(run):
            return end_run(run, RunEnding("no new data", "skip", reason))
        if ending := check_model(run):
            return end_run(run, ending)

        with open_consumer(run, source) as consumer, shown(consumer) as show:
            for events in consumer.portions(for_minutes):
                consumer.test_then_train(events)  # refuse, predict, score, learn
                follow_champion(consumer)  # if somebody promoted another one meanwhile
                if save(consumer) and not take_back(consumer):  # position, weights, scores and counts: one fact
                    challenge(consumer)  # frozen a while ago, proven on what came since
                show()
            ending = ending_of(consumer)
        return end_run(run, ending)
