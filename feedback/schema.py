"""The database's tables, constraints and triggers, as sqlite-utils migrations.

Every rule of the protocol that SQL can express is here, so that no program, ours included, can break it: one current
vote a battle, no vote without a finished pair of answers, one open battle a tester, rows that are never rewritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlite_utils.migrations import Migrations

from .rules import MAX_CHANGES

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Migrations("diptych")
VERSIONS = ("initial", "invites", "good_enough", "delivery", "blind_draws", "server_seconds", "bounded_changes")


def statements(script: str) -> Iterator[str]:
    """Split an SQL script, triggers included.  (``executescript`` would commit the migration's transaction.)"""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""


@migrations()
def initial(db: Database) -> None:
    """Studies, testers, battles, turns, answers, votes, guesses, looks and the running tallies."""
    for statement in statements(TABLES + PROTECTION + VOTING + TALLIES):
        db.execute(statement)


@migrations()
def invites(db: Database) -> None:
    """Invite codes."""
    for statement in statements(INVITES):
        db.execute(statement)


@migrations()
def good_enough(db: Database) -> None:
    """An index of the votes that say whether the better answer was good enough, so that none is told at once."""
    db.execute(
        "CREATE INDEX votes_good_enough ON votes (study_id, left_model, choice, good_enough)"
        " WHERE superseded = 0 AND good_enough IS NOT NULL"
    )


@migrations()
def delivery(db: Database) -> None:
    """What was asked for once, words without a vote, answers as written, and what was on the screen."""
    for statement in statements(DELIVERY):
        db.execute(statement)


@migrations()
def blind_draws(db: Database) -> None:
    """How each battle was assigned, and a reveal for voted rounds alone."""
    for statement in statements(BLIND_DRAWS):
        db.execute(statement)


@migrations()
def server_seconds(db: Database) -> None:
    """How long the answers were there before a vote, by the server's clock."""
    for statement in statements(SERVER_SECONDS):
        db.execute(statement)


@migrations()
def bounded_changes(db: Database) -> None:
    """No round has votes without end: each change of a vote is a row that stays."""
    db.execute(
        _never(
            "votes_bounded",
            "INSERT",
            "votes",
            "a vote is changed only so often",
            f"(SELECT COUNT(*) FROM votes WHERE battle_id = NEW.battle_id) >= {MAX_CHANGES}",
        ).strip()
    )


TABLES = """
CREATE TABLE studies (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,             -- name and a short hash; the column "study" of every export
    name TEXT NOT NULL,
    study_hash TEXT NOT NULL,               -- of the study file's canonical form
    models_hash TEXT NOT NULL,              -- of the two models' descriptions
    definition TEXT NOT NULL CHECK (json_valid(definition)),
    models TEXT NOT NULL CHECK (json_valid(models)),
    secret TEXT NOT NULL CHECK (length(secret) = 64),           -- key of every draw, hexadecimal
    secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
    block_size INTEGER NOT NULL CHECK (block_size > 0 AND block_size % 2 = 0),
    rounds INTEGER NOT NULL CHECK (rounds > 0),
    alpha REAL NOT NULL CHECK (alpha > 0 AND alpha < 1),
    session_timeout_minutes REAL NOT NULL CHECK (session_timeout_minutes > 0),
    primary_statistic TEXT NOT NULL,
    prompt_bank_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT,
    UNIQUE (study_hash, models_hash)
) STRICT;

CREATE TABLE prompts (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL REFERENCES studies (id),
    prompt_id TEXT NOT NULL,
    category TEXT NOT NULL,
    text TEXT NOT NULL,
    position INTEGER,                       -- place in the study's bank; NULL for a tester's own question
    served_left INTEGER NOT NULL DEFAULT 0,     -- battles with model1 on the left
    served_right INTEGER NOT NULL DEFAULT 0,
    UNIQUE (study_id, prompt_id),
    UNIQUE (id, study_id)
) STRICT;

CREATE TABLE testers (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL REFERENCES studies (id),
    code TEXT NOT NULL UNIQUE,              -- hash of the token that the browser holds; the exports' tester_id
    enrolment INTEGER NOT NULL CHECK (enrolment > 0),
    consent_version TEXT NOT NULL,
    background TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(background)),
    invite TEXT,
    enrolled_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    closed_at TEXT,
    closed_why TEXT CHECK (closed_why IN ('quota', 'timeout', 'quit', 'withdrawn')),
    revealed_at TEXT,
    withdrawn_votes INTEGER,                -- what a withdrawal removed, as a number
    CHECK ((closed_at IS NULL) = (closed_why IS NULL)),
    CHECK ((closed_why IS 'withdrawn') = (withdrawn_votes IS NOT NULL)),
    UNIQUE (study_id, enrolment),
    UNIQUE (id, study_id)
) STRICT;
CREATE INDEX testers_open ON testers (study_id, last_seen_at) WHERE closed_at IS NULL;

CREATE TABLE battles (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL,
    tester_id INTEGER NOT NULL,
    prompt_id INTEGER NOT NULL,
    left_model TEXT NOT NULL CHECK (left_model IN ('model1', 'model2')),
    serving INTEGER NOT NULL CHECK (serving >= 0),  -- 0, 1, 2, ... of this tester; block = serving / block_size
    round INTEGER NOT NULL CHECK (round > 0),
    scheduled_prompt_id INTEGER REFERENCES prompts (id),    -- what the schedule asked for; the tester may differ
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'voted', 'abandoned', 'withdrawn')),
    reason TEXT,
    served_at TEXT NOT NULL,
    closed_at TEXT,
    revealed_at TEXT,
    UNIQUE (tester_id, serving),
    UNIQUE (id, study_id, tester_id, prompt_id, left_model),
    FOREIGN KEY (tester_id, study_id) REFERENCES testers (id, study_id),
    FOREIGN KEY (prompt_id, study_id) REFERENCES prompts (id, study_id)
) STRICT;
CREATE UNIQUE INDEX battles_one_open ON battles (tester_id) WHERE status = 'open';
CREATE INDEX battles_prompt ON battles (prompt_id);

CREATE TABLE turns (
    id INTEGER PRIMARY KEY,
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    number INTEGER NOT NULL CHECK (number > 0),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    prompt TEXT NOT NULL CHECK (prompt <> ''),
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'complete', 'cancelled', 'failed')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    CHECK ((status = 'pending') = (finished_at IS NULL)),
    UNIQUE (battle_id, number, attempt)
) STRICT;
CREATE UNIQUE INDEX turns_one_complete ON turns (battle_id, number) WHERE status = 'complete';
CREATE UNIQUE INDEX turns_one_pending ON turns (battle_id) WHERE status = 'pending';

CREATE TABLE answers (
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    model TEXT NOT NULL CHECK (model IN ('model1', 'model2')),
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    chars INTEGER NOT NULL CHECK (chars >= 0),
    seconds REAL NOT NULL CHECK (seconds >= 0),
    first_token_seconds REAL CHECK (first_token_seconds >= 0),
    stopped TEXT NOT NULL CHECK (stopped IN ('stop', 'length', 'cancelled')),
    leak_flag INTEGER NOT NULL DEFAULT 0 CHECK (leak_flag IN (0, 1)),
    PRIMARY KEY (turn_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    model TEXT NOT NULL CHECK (model IN ('model1', 'model2', 'both')),
    error TEXT NOT NULL,
    failed_at TEXT NOT NULL
) STRICT;
CREATE INDEX failures_turn ON failures (turn_id);

CREATE TABLE votes (
    id INTEGER PRIMARY KEY,
    battle_id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,              -- this and the next three repeat the battle's; the foreign key says so
    tester_id INTEGER NOT NULL,
    prompt_id INTEGER NOT NULL,
    left_model TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('left', 'right', 'tie', 'both_bad')),
    reasons TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reasons)),
    comment TEXT NOT NULL DEFAULT '',
    good_enough INTEGER CHECK (good_enough IN (0, 1)),
    turns INTEGER NOT NULL CHECK (turns > 0),
    left_chars INTEGER NOT NULL CHECK (left_chars >= 0),
    right_chars INTEGER NOT NULL CHECK (right_chars >= 0),
    leak_flag INTEGER NOT NULL CHECK (leak_flag IN (0, 1)),
    voted_at TEXT NOT NULL,                 -- the server's clock
    client_time TEXT,                       -- the browser's clock, as it said
    vote_seconds REAL CHECK (vote_seconds >= 0),
    superseded INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)),
    superseded_at TEXT,
    CHECK ((superseded = 0) = (superseded_at IS NULL)),
    FOREIGN KEY (battle_id, study_id, tester_id, prompt_id, left_model)
        REFERENCES battles (id, study_id, tester_id, prompt_id, left_model)
) STRICT;
CREATE UNIQUE INDEX votes_one_current ON votes (battle_id) WHERE superseded = 0;
CREATE INDEX votes_battle ON votes (battle_id);
-- All that the statistics need of a vote, so that they never read the table itself.
CREATE INDEX votes_outcomes ON votes
    (study_id, tester_id, prompt_id, left_model, choice, left_chars, right_chars, turns, leak_flag, superseded)
    WHERE superseded = 0;
CREATE INDEX votes_superseded ON votes (study_id) WHERE superseded = 1;

CREATE TABLE guesses (
    tester_id INTEGER PRIMARY KEY REFERENCES testers (id),
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    answer TEXT NOT NULL CHECK (answer IN ('left_last', 'right_last', 'dont_know')),
    guessed_at TEXT NOT NULL
) STRICT;

CREATE TABLE looks (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL REFERENCES studies (id),
    looked_at TEXT NOT NULL,
    kind TEXT NOT NULL,                     -- results, stats, report, export csv, ...
    votes INTEGER NOT NULL,
    testers_closed INTEGER NOT NULL,
    e_value REAL,
    ci_low REAL,
    ci_high REAL
) STRICT;
CREATE INDEX looks_study ON looks (study_id);

-- One row a tester and category, so that a live page need not read the votes.  The eight counters are the choices
-- with model1 on the left and with model1 on the right.
CREATE TABLE tallies (
    study_id INTEGER NOT NULL,
    tester_id INTEGER NOT NULL REFERENCES testers (id),
    category TEXT NOT NULL,
    l_left INTEGER NOT NULL DEFAULT 0, l_right INTEGER NOT NULL DEFAULT 0,
    l_tie INTEGER NOT NULL DEFAULT 0, l_both_bad INTEGER NOT NULL DEFAULT 0,
    r_left INTEGER NOT NULL DEFAULT 0, r_right INTEGER NOT NULL DEFAULT 0,
    r_tie INTEGER NOT NULL DEFAULT 0, r_both_bad INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (study_id, tester_id, category)
) STRICT, WITHOUT ROWID;
"""


def _never(name: str, event: str, table: str, rule: str, when: str = "") -> str:
    """A trigger that refuses an event; its message says which rule."""
    condition = f"WHEN {when} " if when else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} {condition}BEGIN SELECT RAISE(ABORT, '{rule}'); END;\n"


_WITHDRAWN_TURN = (
    "(SELECT closed_why FROM testers WHERE id = (SELECT tester_id FROM battles WHERE id ="
    " (SELECT battle_id FROM turns WHERE id = OLD.turn_id))) IS NOT 'withdrawn'"
)

PROTECTION = "".join(
    [
        _never(
            "studies_fixed",
            "UPDATE OF id, label, name, study_hash, models_hash, definition, models, secret,"
            " secret_sha256, block_size, rounds, alpha, session_timeout_minutes, primary_statistic, prompt_bank_hash,"
            " opened_at",
            "studies",
            "a study is fixed once it is open",
        ),
        _never("studies_kept", "DELETE", "studies", "a study is never deleted"),
        _never(
            "prompts_fixed", "UPDATE OF id, study_id, prompt_id, category, position", "prompts", "a prompt is fixed"
        ),
        _never("bank_fixed", "UPDATE OF text", "prompts", "a prompt of the bank is fixed", "OLD.position IS NOT NULL"),
        _never(
            "testers_fixed",
            "UPDATE OF id, study_id, code, enrolment, consent_version, enrolled_at",
            "testers",
            "an enrolment is fixed",
        ),
        _never(
            "testers_stay_closed",
            "UPDATE OF closed_at, closed_why",
            "testers",
            "a closed session stays closed",
            "OLD.closed_at IS NOT NULL AND NEW.closed_why IS NOT 'withdrawn'",
        ),
        _never("testers_kept", "DELETE", "testers", "a tester is never deleted, only withdrawn"),
        _never(
            "battles_fixed",
            "UPDATE OF id, study_id, tester_id, prompt_id, left_model, serving, round, scheduled_prompt_id, served_at",
            "battles",
            "an assignment is fixed once it is served",
        ),
        _never("battles_kept", "DELETE", "battles", "an assignment is never deleted"),
        _never(
            "battles_need_session",
            "INSERT",
            "battles",
            "the session is closed",
            "(SELECT closed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
        ),
        _never(
            "battles_within_quota",
            "INSERT",
            "battles",
            "all rounds are voted",
            "(SELECT COUNT(*) FROM battles WHERE tester_id = NEW.tester_id AND status = 'voted')"
            " >= (SELECT rounds FROM studies WHERE id = NEW.study_id)",
        ),
        _never(
            "turns_begin_pending",
            "INSERT",
            "turns",
            "a turn begins before its answers",
            "NEW.status <> 'pending' OR (SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'",
        ),
        _never(
            "turns_fixed",
            "UPDATE",
            "turns",
            "a turn is finished once",
            "OLD.status <> 'pending' OR NEW.id <> OLD.id OR NEW.battle_id <> OLD.battle_id OR NEW.number <> OLD.number"
            " OR NEW.attempt <> OLD.attempt OR NEW.prompt <> OLD.prompt",
        ),
        _never(
            "turns_need_both_answers",
            "UPDATE OF status",
            "turns",
            "a complete turn has an answer of each model",
            "NEW.status = 'complete' AND (SELECT COUNT(*) FROM answers WHERE turn_id = NEW.id) <> 2",
        ),
        _never(
            "turns_kept",
            "DELETE",
            "turns",
            "a turn is never deleted",
            "(SELECT closed_why FROM testers WHERE id = (SELECT tester_id FROM battles WHERE id = OLD.battle_id))"
            " IS NOT 'withdrawn'",
        ),
        _never(
            "answers_need_pending_turn",
            "INSERT",
            "answers",
            "an answer belongs to a turn in progress",
            "(SELECT status FROM turns WHERE id = NEW.turn_id) IS NOT 'pending'",
        ),
        _never("answers_fixed", "UPDATE", "answers", "an answer is never changed"),
        _never("answers_kept", "DELETE", "answers", "an answer is never deleted", _WITHDRAWN_TURN),
        _never("failures_fixed", "UPDATE", "failures", "a failure is never changed"),
        _never("failures_kept", "DELETE", "failures", "a failure is never deleted", _WITHDRAWN_TURN),
        _never(
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
        _never(
            "votes_kept",
            "DELETE",
            "votes",
            "a vote is never deleted",
            "(SELECT closed_why FROM testers WHERE id = OLD.tester_id) IS NOT 'withdrawn'",
        ),
        _never("guesses_fixed", "UPDATE", "guesses", "a guess is given once"),
        _never(
            "guesses_kept",
            "DELETE",
            "guesses",
            "a guess is never deleted",
            "(SELECT closed_why FROM testers WHERE id = OLD.tester_id) IS NOT 'withdrawn'",
        ),
        _never(
            "guesses_before_reveal",
            "INSERT",
            "guesses",
            "a guess comes before the reveal",
            "(SELECT revealed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
        ),
        _never("looks_fixed", "UPDATE", "looks", "a look is never changed"),
        _never("looks_kept", "DELETE", "looks", "a look is never deleted"),
    ]
)

VOTING = (
    "".join(
        [
            _never("votes_begin_current", "INSERT", "votes", "a vote begins current", "NEW.superseded <> 0"),
            _never(
                "votes_need_open_battle",
                "INSERT",
                "votes",
                "the battle is not open",
                "(SELECT status FROM battles WHERE id = NEW.battle_id) IS NOT 'open'",
            ),
            _never(
                "votes_need_finished_answers",
                "INSERT",
                "votes",
                "the battle has no finished pair of answers",
                "(SELECT status FROM turns WHERE battle_id = NEW.battle_id ORDER BY number DESC, attempt DESC LIMIT 1)"
                " IS NOT 'complete'",
            ),
            _never(
                "votes_need_session",
                "INSERT",
                "votes",
                "the session is closed",
                "(SELECT closed_at FROM testers WHERE id = NEW.tester_id) IS NOT NULL",
            ),
            _never(
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

INVITES = (
    """
CREATE TABLE invites (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL REFERENCES studies (id),
    code TEXT NOT NULL UNIQUE,              -- hash of the code, which is shown once and kept nowhere
    label TEXT NOT NULL DEFAULT '',         -- the researcher's note
    uses INTEGER CHECK (uses > 0),          -- how many testers may enrol with it; NULL: any number
    used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0 AND (uses IS NULL OR used <= uses)),
    made_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
"""
    + _never("invites_fixed", "UPDATE OF id, study_id, code, label, uses, made_at", "invites", "an invite is fixed")
    + _never("invites_stay_revoked", "UPDATE", "invites", "the invite was revoked", "OLD.revoked_at IS NOT NULL")
    + _never("invites_counted", "UPDATE OF used", "invites", "a use stays counted", "NEW.used < OLD.used")
    + _never("invites_kept", "DELETE", "invites", "an invite is never deleted, only revoked")
)

# Requests carry a key of the browser's: one that comes again, since its answer was lost, changes nothing.
DELIVERY = (
    """
CREATE TABLE requests (
    tester_id INTEGER NOT NULL REFERENCES testers (id),
    key TEXT NOT NULL CHECK (length(key) BETWEEN 8 AND 64),
    done_at TEXT NOT NULL,
    PRIMARY KEY (tester_id, key)
) STRICT, WITHOUT ROWID;

-- What was ticked and written beside answers that no vote was given on, or after the session was over.
CREATE TABLE remarks (
    battle_id INTEGER PRIMARY KEY REFERENCES battles (id),
    reasons TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reasons)),
    comment TEXT NOT NULL DEFAULT '',
    written_at TEXT NOT NULL
) STRICT;

ALTER TABLE answers ADD COLUMN raw TEXT;  -- what the model wrote, where the tester was shown something else
ALTER TABLE battles ADD COLUMN first_side TEXT CHECK (first_side IN ('left', 'right'));
ALTER TABLE votes ADD COLUMN left_seen REAL CHECK (left_seen >= 0);
ALTER TABLE votes ADD COLUMN right_seen REAL CHECK (right_seen >= 0);
ALTER TABLE votes ADD COLUMN first_seen TEXT CHECK (first_seen IN ('left', 'right', 'both'));
"""
    + _never("battles_first_fixed", "UPDATE OF first_side", "battles", "an assignment is fixed once it is served")
    + _never(
        "votes_seen_fixed",
        "UPDATE OF left_seen, right_seen, first_seen",
        "votes",
        "a vote is never changed, only superseded once",
    )
    + _never(
        "votes_need_both_seen",
        "INSERT",
        "votes",
        "both answers were on the screen before a vote",
        "NEW.left_seen <= 0 OR NEW.right_seen <= 0",
    )
    + _never("requests_fixed", "UPDATE", "requests", "a request is done once")
)
# Battles from before this column were assigned by the first rule.
BLIND_DRAWS = (
    """
ALTER TABLE battles ADD COLUMN assignment TEXT NOT NULL DEFAULT 'by_side'
    CHECK (assignment IN ('by_side', 'blocks', 'independent'));
"""
    + _never("battles_assigned_once", "UPDATE OF assignment", "battles", "an assignment is fixed once it is served")
    + _never(
        "battles_reveal_votes",
        "UPDATE OF revealed_at",
        "battles",
        "only a voted round is revealed",
        "NEW.revealed_at IS NOT OLD.revealed_at AND OLD.status <> 'voted'",
    )
)

SERVER_SECONDS = """
ALTER TABLE votes ADD COLUMN server_seconds REAL CHECK (server_seconds >= 0);
""" + _never("votes_timed_once", "UPDATE OF server_seconds", "votes", "a vote is never changed, only superseded once")
