"""What no program may do to a new database, as triggers: rewrite or delete rows, vote out of turn, lose count."""

from __future__ import annotations


def never(name: str, event: str, table: str, rule: str, when: str = "") -> str:
    """A trigger that refuses an event; its message says which rule."""
    condition = f"WHEN {when} " if when else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} {condition}BEGIN SELECT RAISE(ABORT, '{rule}'); END;\n"


_WITHDRAWN_TURN = (
    "(SELECT closed_why FROM testers WHERE id = (SELECT tester_id FROM battles WHERE id ="
    " (SELECT battle_id FROM turns WHERE id = OLD.turn_id))) IS NOT 'withdrawn'"
)

PROTECTION = "".join(
    [
        never(
            "studies_fixed",
            "UPDATE OF id, label, name, study_hash, models_hash, definition, models, secret,"
            " secret_sha256, block_size, rounds, alpha, session_timeout_minutes, primary_statistic, prompt_bank_hash,"
            " opened_at",
            "studies",
            "a study is fixed once it is open",
        ),
        never("studies_kept", "DELETE", "studies", "a study is never deleted"),
        never("prompts_fixed", "UPDATE OF id, study_id, prompt_id, category, position", "prompts", "a prompt is fixed"),
        never("bank_fixed", "UPDATE OF text", "prompts", "a prompt of the bank is fixed", "OLD.position IS NOT NULL"),
        never(
            "testers_fixed",
            "UPDATE OF id, study_id, code, enrolment, consent_version, enrolled_at",
            "testers",
            "an enrolment is fixed",
        ),
        never(
            "testers_stay_closed",
            "UPDATE OF closed_at, closed_why",
            "testers",
            "a closed session stays closed",
            "OLD.closed_at IS NOT NULL AND NEW.closed_why IS NOT 'withdrawn'",
        ),
        never("testers_kept", "DELETE", "testers", "a tester is never deleted, only withdrawn"),
        never(
            "battles_fixed",
            "UPDATE OF id, study_id, tester_id, prompt_id, left_model, serving, round, scheduled_prompt_id, served_at",
            "battles",
            "an assignment is fixed once it is served",
        ),
        never("battles_kept", "DELETE", "battles", "an assignment is never deleted"),
        never(
            "battles_need_session",
            "INSERT",
            "battles",
            "the session is closed",
            "(SELECT closed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
        ),
        never(
            "battles_within_quota",
            "INSERT",
            "battles",
            "all rounds are voted",
            "(SELECT COUNT(*) FROM battles WHERE tester_id = NEW.tester_id AND status = 'voted')"
            " >= (SELECT rounds FROM studies WHERE id = NEW.study_id)",
        ),
        never(
            "turns_begin_pending",
            "INSERT",
            "turns",
            "a turn begins before its answers",
            "NEW.status <> 'pending' OR (SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'",
        ),
        never(
            "turns_fixed",
            "UPDATE",
            "turns",
            "a turn is finished once",
            "OLD.status <> 'pending' OR NEW.id <> OLD.id OR NEW.battle_id <> OLD.battle_id OR NEW.number <> OLD.number"
            " OR NEW.attempt <> OLD.attempt OR NEW.prompt <> OLD.prompt",
        ),
        never(
            "turns_need_both_answers",
            "UPDATE OF status",
            "turns",
            "a complete turn has an answer of each model",
            "NEW.status = 'complete' AND (SELECT COUNT(*) FROM answers WHERE turn_id = NEW.id) <> 2",
        ),
        never(
            "turns_kept",
            "DELETE",
            "turns",
            "a turn is never deleted",
            "(SELECT closed_why FROM testers WHERE id = (SELECT tester_id FROM battles WHERE id = OLD.battle_id))"
            " IS NOT 'withdrawn'",
        ),
        never(
            "answers_need_pending_turn",
            "INSERT",
            "answers",
            "an answer belongs to a turn in progress",
            "(SELECT status FROM turns WHERE id = NEW.turn_id) IS NOT 'pending'",
        ),
        never("answers_fixed", "UPDATE", "answers", "an answer is never changed"),
        never("answers_kept", "DELETE", "answers", "an answer is never deleted", _WITHDRAWN_TURN),
        never("failures_fixed", "UPDATE", "failures", "a failure is never changed"),
        never("failures_kept", "DELETE", "failures", "a failure is never deleted", _WITHDRAWN_TURN),
        never(
            "votes_fixed",
            "UPDATE",
            "votes",
            "a vote is never changed, only superseded once",
            "OLD.superseded = 1 OR NEW.superseded = 0 OR NEW.id <> OLD.id OR NEW.battle_id <> OLD.battle_id"
            " OR NEW.study_id <> OLD.study_id OR NEW.tester_id <> OLD.tester_id OR NEW.prompt_id <> OLD.prompt_id"
            " OR NEW.left_model <> OLD.left_model OR NEW.choice <> OLD.choice OR NEW.reasons <> OLD.reasons"
            " OR NEW.comment <> OLD.comment OR NEW.voted_at <> OLD.voted_at OR NEW.turns <> OLD.turns"
            " OR NEW.left_chars <> OLD.left_chars OR NEW.right_chars <> OLD.right_chars"
            " OR NEW.leak_flag <> OLD.leak_flag OR NEW.good_enough IS NOT OLD.good_enough"
            " OR NEW.vote_seconds IS NOT OLD.vote_seconds OR NEW.client_time IS NOT OLD.client_time",
        ),
        never(
            "votes_kept",
            "DELETE",
            "votes",
            "a vote is never deleted",
            "(SELECT closed_why FROM testers WHERE id = OLD.tester_id) IS NOT 'withdrawn'",
        ),
        never("guesses_fixed", "UPDATE", "guesses", "a guess is given once"),
        never(
            "guesses_kept",
            "DELETE",
            "guesses",
            "a guess is never deleted",
            "(SELECT closed_why FROM testers WHERE id = OLD.tester_id) IS NOT 'withdrawn'",
        ),
        never(
            "guesses_before_reveal",
            "INSERT",
            "guesses",
            "a guess comes before the reveal",
            "(SELECT revealed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
        ),
        never("looks_fixed", "UPDATE", "looks", "a look is never changed"),
        never("looks_kept", "DELETE", "looks", "a look is never deleted"),
    ]
)

VOTING = (
    "".join(
        [
            never("votes_begin_current", "INSERT", "votes", "a vote begins current", "NEW.superseded <> 0"),
            never(
                "votes_need_open_battle",
                "INSERT",
                "votes",
                "the battle is not open",
                "(SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'",
            ),
            never(
                "votes_need_finished_answers",
                "INSERT",
                "votes",
                "the battle has no finished pair of answers",
                "(SELECT status FROM turns WHERE battle_id = NEW.battle_id ORDER BY number DESC, attempt DESC LIMIT 1)"
                " IS NOT 'complete'",
            ),
            never(
                "votes_need_session",
                "INSERT",
                "votes",
                "the session is closed",
                "(SELECT closed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
            ),
            never(
                "votes_before_reveal",
                "INSERT",
                "votes",
                "a vote comes before the reveal",
                "(SELECT revealed_at FROM battles WHERE id = NEW.battle_id) IS NOT NULL",
            ),
        ]
    )
    + """
CREATE TRIGGER votes_close_battle AFTER INSERT ON votes BEGIN
    UPDATE battles SET status = 'voted', closed_at = NEW.voted_at WHERE id = NEW.battle_id;
END;
CREATE TRIGGER votes_reopen_battle AFTER UPDATE OF superseded ON votes BEGIN
    UPDATE battles SET status = 'open', closed_at = NULL WHERE id = NEW.battle_id;
END;
CREATE TRIGGER battles_count_serving AFTER INSERT ON battles BEGIN
    UPDATE prompts SET served_left = served_left + (NEW.left_model = 'model1'),
                       served_right = served_right + (NEW.left_model = 'model2') WHERE id = NEW.prompt_id;
END;
"""
)


def _counters(row: str, sign: str) -> str:
    """Assignments that add (``+``) one vote to a tester's counters, or take it (``-``) away."""
    return ", ".join(
        f"{side}_{choice} = {side}_{choice} {sign} ({row}.left_model = '{model}' AND {row}.choice = '{choice}')"
        for side, model in (("l", "model1"), ("r", "model2"))
        for choice in ("left", "right", "tie", "both_bad")
    )


def _tally(row: str, sign: str) -> str:
    return (
        f"UPDATE tallies SET {_counters(row, sign)} WHERE study_id = {row}.study_id AND tester_id ="
        f" {row}.tester_id AND category = (SELECT category FROM prompts WHERE id = {row}.prompt_id);"
    )


TALLIES = f"""
CREATE TRIGGER votes_tally AFTER INSERT ON votes BEGIN
    INSERT OR IGNORE INTO tallies (study_id, tester_id, category)
        SELECT NEW.study_id, NEW.tester_id, category FROM prompts WHERE id = NEW.prompt_id;
    {_tally("NEW", "+")}
END;
CREATE TRIGGER votes_untally AFTER UPDATE OF superseded ON votes BEGIN {_tally("NEW", "-")} END;
"""
