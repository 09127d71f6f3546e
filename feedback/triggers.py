"""What no program may do to a new database, as triggers: rewrite or delete rows, vote out of turn, lose count."""

from __future__ import annotations


def never(name: str, event: str, table: str, rule: str, when: str = "") -> str:
    """A trigger that refuses an event; its message says which rule."""
    condition = f"WHEN {when} " if when else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} {condition}BEGIN SELECT RAISE(ABORT, '{rule}'); END;\n"


def _fixed(table: str, rule: str, columns: str = "", when: str = "") -> str:
    """No change of a row, or of some of its columns."""
    return never(f"{table}_fixed", f"UPDATE OF {columns}" if columns else "UPDATE", table, rule, when)


def _kept(table: str, rule: str, when: str = "") -> str:
    """No row is deleted."""
    return never(f"{table}_kept", "DELETE", table, rule, when)


def _no_new(name: str, rule: str, when: str) -> str:
    """No new row of the table by which the name begins."""
    return never(name, "INSERT", name.partition("_")[0], rule, when)


def _changed(columns: str, operator: str) -> str:
    return " OR ".join(f"NEW.{column} {operator} OLD.{column}" for column in columns.split())


_CLOSED_WHY = "(SELECT closed_why FROM testers WHERE id = {}) IS NOT 'withdrawn'"
_OF_BATTLE = "(SELECT tester_id FROM battles WHERE id = {})"
_WITHDRAWN = _CLOSED_WHY.format("OLD.tester_id")
_WITHDRAWN_BATTLE = _CLOSED_WHY.format(_OF_BATTLE.format("OLD.battle_id"))
_WITHDRAWN_TURN = _CLOSED_WHY.format(_OF_BATTLE.format("(SELECT battle_id FROM turns WHERE id = OLD.turn_id)"))
_SESSION_CLOSED = "(SELECT closed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL"
_STUDY_COLUMNS = (
    "id, label, name, study_hash, models_hash, definition, models, secret, secret_sha256, block_size, rounds, alpha,"
    " session_timeout_minutes, primary_statistic, prompt_bank_hash, opened_at"
)
_TESTER_COLUMNS = "id, study_id, code, enrolment, consent_version, enrolled_at"
_BATTLE_COLUMNS = "id, study_id, tester_id, prompt_id, left_model, serving, round, scheduled_prompt_id, served_at"
_VOTE_COLUMNS = (
    "id battle_id study_id tester_id prompt_id left_model choice reasons comment voted_at turns left_chars right_chars"
    " leak_flag"
)
_QUOTA = (
    "(SELECT COUNT(*) FROM battles WHERE tester_id = NEW.tester_id AND status = 'voted')"
    " >= (SELECT rounds FROM studies WHERE id = NEW.study_id)"
)
_STAYS_CLOSED = "OLD.closed_at IS NOT NULL AND NEW.closed_why IS NOT 'withdrawn'"
_NOT_PENDING = "NEW.status <> 'pending' OR (SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'"
_LACKS_ANSWERS = "NEW.status = 'complete' AND (SELECT COUNT(*) FROM answers WHERE turn_id = NEW.id) <> 2"
_TURN_FINISHED = "OLD.status <> 'pending' OR " + _changed("id battle_id number attempt prompt", "<>")
_UNFINISHED = (
    "(SELECT status FROM turns WHERE battle_id = NEW.battle_id ORDER BY number DESC, attempt DESC LIMIT 1)"
    " IS NOT 'complete'"
)
_VOTE_CHANGED = (
    f"OLD.superseded = 1 OR NEW.superseded = 0 OR {_changed(_VOTE_COLUMNS, '<>')}"
    f" OR {_changed('good_enough vote_seconds client_time', 'IS NOT')}"
)

PROTECTION = "".join(
    [
        _fixed("studies", "a study is fixed once it is open", _STUDY_COLUMNS),
        _kept("studies", "a study is never deleted"),
        _fixed("prompts", "a prompt is fixed", "id, study_id, prompt_id, category, position"),
        never("bank_fixed", "UPDATE OF text", "prompts", "a prompt of the bank is fixed", "OLD.position IS NOT NULL"),
        _fixed("testers", "an enrolment is fixed", _TESTER_COLUMNS),
        never(
            "testers_stay_closed",
            "UPDATE OF closed_at, closed_why",
            "testers",
            "a closed session stays closed",
            _STAYS_CLOSED,
        ),
        _kept("testers", "a tester is never deleted, only withdrawn"),
        _fixed("battles", "an assignment is fixed once it is served", _BATTLE_COLUMNS),
        _kept("battles", "an assignment is never deleted"),
        _no_new("battles_need_session", "the session is closed", _SESSION_CLOSED),
        _no_new("battles_within_quota", "all rounds are voted", _QUOTA),
        _no_new("turns_begin_pending", "a turn begins before its answers", _NOT_PENDING),
        _fixed("turns", "a turn is finished once", when=_TURN_FINISHED),
        never(
            "turns_need_both_answers",
            "UPDATE OF status",
            "turns",
            "a complete turn has an answer of each model",
            _LACKS_ANSWERS,
        ),
        _kept("turns", "a turn is never deleted", _WITHDRAWN_BATTLE),
        _no_new(
            "answers_need_pending_turn",
            "an answer belongs to a turn in progress",
            "(SELECT status FROM turns WHERE id = NEW.turn_id) IS NOT 'pending'",
        ),
        _fixed("answers", "an answer is never changed"),
        _kept("answers", "an answer is never deleted", _WITHDRAWN_TURN),
        _fixed("failures", "a failure is never changed"),
        _kept("failures", "a failure is never deleted", _WITHDRAWN_TURN),
        _fixed("votes", "a vote is never changed, only superseded once", when=_VOTE_CHANGED),
        _kept("votes", "a vote is never deleted", _WITHDRAWN),
        _fixed("guesses", "a guess is given once"),
        _kept("guesses", "a guess is never deleted", _WITHDRAWN),
        _no_new(
            "guesses_before_reveal",
            "a guess comes before the reveal",
            "(SELECT revealed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
        ),
        _fixed("looks", "a look is never changed"),
        _kept("looks", "a look is never deleted"),
    ]
)

VOTING = (
    "".join(
        [
            _no_new("votes_begin_current", "a vote begins current", "NEW.superseded <> 0"),
            _no_new(
                "votes_need_open_battle",
                "the battle is not open",
                "(SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'",
            ),
            _no_new("votes_need_finished_answers", "the battle has no finished pair of answers", _UNFINISHED),
            _no_new("votes_need_session", "the session is closed", _SESSION_CLOSED),
            _no_new(
                "votes_before_reveal",
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
