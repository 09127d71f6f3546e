"""The migrations of the database: which tables, constraints and triggers it has got, in which order.

Every rule of the protocol that SQL can express is here, so that no program, ours included, can break it: one current
vote a battle, no vote without a finished pair of answers, one open battle a tester, rows that are never rewritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from .rules import MAX_CHANGES
from .tables import TABLES
from .triggers import PROTECTION, TALLIES, VOTING, never

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
    + never("invites_fixed", "UPDATE OF id, study_id, code, label, uses, made_at", "invites", "an invite is fixed")
    + never("invites_stay_revoked", "UPDATE", "invites", "the invite was revoked", "OLD.revoked_at IS NOT NULL")
    + never("invites_counted", "UPDATE OF used", "invites", "a use stays counted", "NEW.used < OLD.used")
    + never("invites_kept", "DELETE", "invites", "an invite is never deleted, only revoked")
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
    + never("battles_first_fixed", "UPDATE OF first_side", "battles", "an assignment is fixed once it is served")
    + never(
        "votes_seen_fixed",
        "UPDATE OF left_seen, right_seen, first_seen",
        "votes",
        "a vote is never changed, only superseded once",
    )
    + never(
        "votes_need_both_seen",
        "INSERT",
        "votes",
        "both answers were on the screen before a vote",
        "NEW.left_seen <= 0 OR NEW.right_seen <= 0",
    )
    + never("requests_fixed", "UPDATE", "requests", "a request is done once")
)
# Battles from before this column were assigned by the first rule.
BLIND_DRAWS = (
    """
ALTER TABLE battles ADD COLUMN assignment TEXT NOT NULL DEFAULT 'by_side'
    CHECK (assignment IN ('by_side', 'blocks', 'independent'));
"""
    + never("battles_assigned_once", "UPDATE OF assignment", "battles", "an assignment is fixed once it is served")
    + never(
        "battles_reveal_votes",
        "UPDATE OF revealed_at",
        "battles",
        "only a voted round is revealed",
        "NEW.revealed_at IS NOT OLD.revealed_at AND OLD.status <> 'voted'",
    )
)

SERVER_SECONDS = """
ALTER TABLE votes ADD COLUMN server_seconds REAL CHECK (server_seconds >= 0);
""" + never("votes_timed_once", "UPDATE OF server_seconds", "votes", "a vote is never changed, only superseded once")

# From which network address a tester began. The key is forgotten when its study is closed: then nobody can try out
# which address a hash is of.
ORIGINS = """
ALTER TABLE testers ADD COLUMN origin TEXT CHECK (length(origin) = 16);
CREATE INDEX testers_origin ON testers (study_id, origin) WHERE origin IS NOT NULL;
CREATE TABLE origin_keys (
    study_id INTEGER PRIMARY KEY REFERENCES studies (id),
    key TEXT NOT NULL CHECK (length(key) = 64)
) STRICT;
""" + never("testers_origin_fixed", "UPDATE OF origin", "testers", "an enrolment is fixed", "NEW.origin IS NOT NULL")

# Consents from before this column have none.
CONSENT_LANGUAGE = """
ALTER TABLE testers ADD COLUMN consent_language TEXT CHECK (length(consent_language) BETWEEN 2 AND 35);
""" + never(
    "testers_consent_language_fixed",
    "UPDATE OF consent_language",
    "testers",
    "an enrolment is fixed",
    "NEW.consent_language IS NOT NULL",
)

# Battles from before this column were not.
FIRST_APART = """
ALTER TABLE battles ADD COLUMN first_apart INTEGER NOT NULL DEFAULT 0 CHECK (first_apart IN (0, 1));
""" + never("battles_first_drawn_once", "UPDATE OF first_apart", "battles", "an assignment is fixed once it is served")

# Each change of a vote is a row that stays.
BOUNDED_CHANGES = never(
    "votes_bounded",
    "INSERT",
    "votes",
    "a vote is changed only so often",
    f"(SELECT COUNT(*) FROM votes WHERE battle_id = NEW.battle_id) >= {MAX_CHANGES}",
)

BOUNDED_CLAIMS = never(
    "votes_claims_bounded",
    "INSERT",
    "votes",
    "no browser has shown answers for longer than they were there",
    "MAX(ifnull(NEW.vote_seconds, 0), ifnull(NEW.left_seen, 0), ifnull(NEW.right_seen, 0))"
    " > NEW.server_seconds + 0.001",
)

# So that the votes which say whether the better answer was good enough are read without all the others.
GOOD_ENOUGH = (
    "CREATE INDEX votes_good_enough ON votes (study_id, left_model, choice, good_enough)"
    " WHERE superseded = 0 AND good_enough IS NOT NULL;"
)

SCRIPTS = {
    "initial": TABLES + PROTECTION + VOTING + TALLIES,
    "invites": INVITES,
    "good_enough": GOOD_ENOUGH,
    "delivery": DELIVERY,
    "blind_draws": BLIND_DRAWS,
    "server_seconds": SERVER_SECONDS,
    "bounded_changes": BOUNDED_CHANGES,
    "bounded_claims": BOUNDED_CLAIMS,
    "origins": ORIGINS,
    "consent_language": CONSENT_LANGUAGE,
    "first_apart": FIRST_APART,
}
"""What each migration runs, in their order; one that was released is never changed."""
VERSIONS = tuple(SCRIPTS)


def statements(script: str) -> Iterator[str]:
    """Split an SQL script, triggers included.  (``executescript`` would commit the migration's transaction.)"""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""


def migrations_of(scripts: Mapping[str, str]) -> Migrations:
    """Migrations by these names, each of which runs its script."""

    def running(script: str) -> Callable[[Database], None]:
        def run(db: Database) -> None:
            for statement in statements(script):
                db.execute(statement)

        return run

    migrations = Migrations("diptych")
    for name, script in scripts.items():
        migrations(name=name)(running(script))
    return migrations


migrations = migrations_of(SCRIPTS)
