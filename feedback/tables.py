"""The tables of a new database, with their constraints and indexes; what came later is in `schema`."""

from __future__ import annotations

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
