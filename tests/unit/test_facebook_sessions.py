from __future__ import annotations

from syncs.destinations.facebook_sessions import SESSION_SECONDS, UploadSessions
from syncs.records import Operation

ADD, REMOVE = Operation.UPSERT, Operation.REMOVE


class Watch:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def opened(watch: Watch | None = None, run: str = "run", **totals: int) -> UploadSessions:
    found = {Operation(name): n for name, n in totals.items()}
    return UploadSessions(run, "238", found, clock=watch or Watch())


def shown(given: dict[str, int | bool]) -> tuple[int | bool, ...]:
    return given["batch_seq"], given["last_batch_flag"], given["estimated_num_total"]


def test_batches_count_from_1_and_the_last_is_flagged() -> None:
    sessions = opened(upsert=25, remove=10)
    ids, seen = set(), []
    for rows in (10, 10, 5):
        given = sessions.batch(ADD, rows)
        ids.add(given["session_id"])
        seen.append(shown(given))
        sessions.taken(ADD, rows)
    assert seen == [(1, False, 25), (2, False, 25), (3, True, 25)]
    assert len(ids) == 1
    assert shown(sessions.batch(REMOVE, 10)) == (1, True, 10)
    assert sessions.batch(REMOVE, 10)["session_id"] not in ids


def test_ids_are_of_the_run_the_audience_and_the_operation() -> None:
    ids = [
        opened(run=run).batch(operation, 1)["session_id"]
        for run in ("one", "two")
        for operation in (ADD, REMOVE)
    ]
    again = opened(run="one").batch(ADD, 1)["session_id"]
    assert len(set(ids)) == 4
    assert ids[0] == again
    assert all(0 < key < 2**63 for key in ids)


def test_a_refused_batch_leaves_no_gap_and_is_not_waited_for() -> None:
    sessions = opened(remove=30)
    sessions.batch(REMOVE, 10)
    sessions.taken(REMOVE, 10)
    sessions.batch(REMOVE, 10)
    sessions.refused(REMOVE, 10)
    assert shown(sessions.batch(REMOVE, 10)) == (2, True, 30)


def test_halves_are_counted_like_what_they_are_halves_of() -> None:
    sessions = opened(upsert=10)
    assert shown(sessions.batch(ADD, 10)) == (1, True, 10)
    assert shown(sessions.batch(ADD, 5)) == (1, False, 10)
    sessions.taken(ADD, 5)
    assert shown(sessions.batch(ADD, 5)) == (2, True, 10)


def test_after_a_lost_answer_everything_begins_anew() -> None:
    sessions = opened(upsert=30)
    first = sessions.batch(ADD, 10)
    sessions.taken(ADD, 10)
    sessions.batch(ADD, 10)
    sessions.lost(ADD)
    second = sessions.batch(ADD, 10)
    assert second["session_id"] != first["session_id"]
    assert shown(second) == (1, False, 20)
    sessions.taken(ADD, 10)
    assert shown(sessions.batch(ADD, 10)) == (2, True, 20)


def test_a_session_turns_over_well_before_facebook_drops_it() -> None:
    watch = Watch()
    sessions = opened(watch, upsert=40)
    first = sessions.batch(ADD, 10)
    # Waiting for the first answer does not make a session old: it has not begun.
    watch.now += SESSION_SECONDS
    assert sessions.batch(ADD, 10) == first
    sessions.taken(ADD, 10)
    watch.now += SESSION_SECONDS - 1
    assert sessions.batch(ADD, 10)["session_id"] == first["session_id"]
    sessions.taken(ADD, 10)
    watch.now += 1
    second = sessions.batch(ADD, 10)
    assert second["session_id"] != first["session_id"]
    assert shown(second) == (1, False, 20)
    assert SESSION_SECONDS <= 90 * 60 / 2


def test_more_rows_than_were_announced_end_a_session_too() -> None:
    sessions = opened(upsert=5)
    assert shown(sessions.batch(ADD, 8)) == (1, True, 8)
    assert shown(opened().batch(REMOVE, 3)) == (1, True, 3)


def test_nothing_follows_in_a_session_that_was_ended() -> None:
    sessions = opened(upsert=5)
    first = sessions.batch(ADD, 5)
    sessions.taken(ADD, 5)
    second = sessions.batch(ADD, 2)
    assert second["session_id"] != first["session_id"]
    assert shown(second) == (1, True, 2)
