from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback import schema
from feedback.blind_test import BlindTest
from feedback.claim import Claim
from feedback.database import Database, DatabaseError
from tests.feedback.protocol import answer_turn, answered, open_test, vote_for

REPOSITORY = Path(__file__).parents[2]


def test_a_new_file_has_the_schema_and_is_safe(tmp_path: Path) -> None:
    connection = Database(tmp_path / "new.db").connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert connection.execute("PRAGMA secure_delete").fetchone()[0] == 1
    strict = {row["name"]: row["strict"] for row in connection.execute("PRAGMA table_list") if row["type"] == "table"}
    ours = {name for name in strict if not name.startswith("sqlite_") and name != "_sqlite_migrations"}
    assert ours == {
        "studies",
        "prompts",
        "testers",
        "battles",
        "turns",
        "answers",
        "failures",
        "votes",
        "guesses",
        "looks",
        "tallies",
        "invites",
        "requests",
        "remarks",
        "origin_keys",
    }
    assert all(strict[name] for name in ours)


@pytest.fixture
def voted(blind_test: BlindTest) -> sqlite3.Connection:
    """A database with one vote of tester 1, an open unvotable battle of tester 2, and a guess."""
    tester, other = blind_test.enrol("1").id, blind_test.enrol("1").id
    vote_for(blind_test, tester, ["model1"])
    blind_test.guess(tester, "left_last")
    blind_test.start_battle(other, None, "Mine?")
    return blind_test.database.connection


INSERT_VOTE = (
    "INSERT INTO votes (battle_id, study_id, tester_id, prompt_id, left_model, choice, turns, left_chars,"
    " right_chars, leak_flag, voted_at) SELECT id, study_id, tester_id, prompt_id, {left}, {choice}, 1, 1,"
    " 1, 0, 'now' FROM battles WHERE id = {battle}"
)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (INSERT_VOTE.format(battle=1, choice="'right'", left="left_model"), "the battle is not open"),
        (INSERT_VOTE.format(battle=2, choice="'left'", left="left_model"), "no finished pair of answers"),
        (INSERT_VOTE.format(battle=2, choice="'none'", left="left_model"), "CHECK|no finished"),
        ("UPDATE votes SET choice = 'tie'", "never changed"),
        ("DELETE FROM votes", "never deleted"),
        ("UPDATE votes SET comment = 'x'", "never changed"),
        ("REPLACE INTO votes SELECT * FROM votes", "never deleted|not open"),
        ("UPDATE battles SET left_model = 'model2'", "fixed once it is served"),
        ("DELETE FROM battles", "never deleted"),
        (
            "UPDATE battles SET status = 'open' WHERE id = 1; "
            + INSERT_VOTE.format(battle=1, choice="'left'", left="left_model"),
            "UNIQUE constraint failed: votes.battle_id",
        ),
        (
            "INSERT INTO battles (study_id, tester_id, prompt_id, left_model, serving, round, served_at) SELECT"
            " study_id,"
            " tester_id, prompt_id, left_model, 9, 2, 'now' FROM battles WHERE id = 2",
            "UNIQUE constraint failed",
        ),
        (
            "INSERT INTO battles (study_id, tester_id, prompt_id, left_model, serving, round, served_at) VALUES"
            " (9, 1, 1,"
            " 'model1', 9, 2, 'now')",
            "FOREIGN KEY|all rounds",
        ),
        ("UPDATE answers SET text = 'better'", "never changed"),
        ("DELETE FROM answers", "never deleted"),
        (
            "INSERT INTO answers (turn_id, model, text, tokens, chars, seconds, stopped) VALUES (1, 'model1',"
            " 'x', 1, 1, 1,"
            " 'stop')",
            "turn in progress|UNIQUE",
        ),
        ("UPDATE turns SET status = 'failed'", "finished once"),
        ("DELETE FROM turns", "never deleted"),
        (
            "INSERT INTO turns (battle_id, number, attempt, prompt, started_at) VALUES (1, 2, 1, 'x', 'now')",
            "before its",
        ),
        (
            "INSERT INTO turns (battle_id, number, attempt, prompt, started_at, status, finished_at) VALUES (2,"
            " 1, 1, 'x',"
            " 'now', 'complete', 'now')",
            "before its answers",
        ),
        ("UPDATE testers SET enrolment = 7 WHERE id = 1", "enrolment is fixed"),
        ("DELETE FROM testers", "never deleted"),
        ("UPDATE guesses SET answer = 'dont_know'", "given once"),
        ("DELETE FROM guesses", "never deleted"),
        ("UPDATE studies SET secret = '" + "0" * 64 + "'", "fixed once it is open"),
        ("UPDATE studies SET alpha = 0.5", "fixed once it is open"),
        ("DELETE FROM studies", "never deleted"),
        ("UPDATE prompts SET text = 'x' WHERE position = 0", "bank is fixed"),
        ("INSERT INTO votes (battle_id) VALUES ('one')", "cannot store|not open|NOT NULL"),
    ],
)
def test_the_database_itself_refuses(voted: sqlite3.Connection, statement: str, rule: str) -> None:
    *before, last = statement.split("; ")
    for part in before:
        voted.execute(part)
    with pytest.raises(sqlite3.IntegrityError, match=rule):
        voted.execute(last)


def test_a_complete_turn_needs_both_answers(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = blind_test.start_battle(tester, None, "Mine?")
    turn = blind_test.start_turn(tester, battle.id, "Mine?")
    with pytest.raises(sqlite3.IntegrityError, match="answer of each model"):
        blind_test.database.connection.execute(
            "UPDATE turns SET status = 'complete', finished_at = 'now' WHERE id = ?", [turn.id]
        )


def test_a_closed_session_stays_closed(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.close(tester, "quit")
    connection = blind_test.database.connection
    with pytest.raises(sqlite3.IntegrityError, match="stays closed"):
        connection.execute("UPDATE testers SET closed_at = NULL, closed_why = NULL")
    connection.execute("UPDATE battles SET status = 'open'")
    with pytest.raises(sqlite3.IntegrityError, match="session is closed"):
        connection.execute(INSERT_VOTE.format(battle=battle.id, choice="'left'", left="left_model"))


def test_the_tallies_follow_the_votes(blind_test: BlindTest) -> None:
    from feedback.statistics.load import load_outcomes, load_tally

    for winners in (["model1", "tie", "both_bad"], ["model2"] * 4, []):
        tester = blind_test.enrol("1").id
        vote_for(blind_test, tester, winners)
        battle = answered(blind_test, tester)
        answer_turn(blind_test, tester, battle.id, "And?")
        blind_test.vote(tester, battle.id, "left")
        blind_test.undo_vote(tester, battle.id)
    blind_test.vote(tester, battle.id, "right")
    blind_test.withdraw(blind_test.enrol("1").id)
    connection = blind_test.database.connection
    outcomes = load_outcomes(connection, blind_test.study_id)
    testers, categories = load_tally(connection, blind_test.study_id)
    assert (testers.counts == outcomes.testers.counts).all()
    assert (testers.closed == outcomes.closed).all()
    assert tuple(categories) == outcomes.categories
    for place, name in enumerate(outcomes.categories):
        assert (categories[name].counts == outcomes.testers_within(outcomes.category == place).counts).all()


def test_the_statistics_read_the_covering_index_alone(blind_test: BlindTest) -> None:
    from feedback.statistics.load import _FIELDS, _INDEXED

    plan = blind_test.database.connection.execute(
        f"EXPLAIN QUERY PLAN SELECT {', '.join(_FIELDS.values())}, id {_INDEXED}", [1]
    ).fetchall()
    assert "USING COVERING INDEX votes_outcomes" in plan[0]["detail"]


# -- trouble with the file ---------------------------------------------------------------------------------------------


def test_each_trouble_is_one_line_with_the_path_and_the_remedy(tmp_path: Path) -> None:
    garbage, text = tmp_path / "garbage.db", tmp_path / "text.db"
    garbage.write_bytes(os.urandom(5000))
    text.write_text("not a database at all, but long enough to have a header of its own" * 20)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE cookies (id INTEGER)")
    for path, words in (
        (garbage, "corrupt or no SQLite"),
        (text, "corrupt or no SQLite"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "x.db", "no folder"),
        (Path("/proc/x.db"), "check" if Path("/proc").is_dir() else "no folder"),  # only Linux has it
        (text / "x.db", "no folder"),
        (foreign, "another program"),
    ):
        with pytest.raises(DatabaseError, match=words) as error:
            Database(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(DatabaseError, match="does not exist"):
        Database.existing(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_truncated_database_is_told(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    for _ in range(3):
        vote_for(test, test.enrol("1").id, ["tie"] * 5)
    test.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    test.database.close()
    whole = (tmp_path / "v.db").read_bytes()
    (tmp_path / "v.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatabaseError, match="corrupt"):
        open_test(tmp_path / "v.db").suggestions("x")


def test_what_a_damaged_row_says_is_not_told(tmp_path: Path) -> None:
    """SQLite repeats it, and the app's log repeats SQLite."""
    path = tmp_path / "votes.db"
    with Database(path).transaction() as connection:
        connection.execute("CREATE TABLE x (prompt TEXT)")
        connection.execute("INSERT INTO x VALUES (CAST(x'7072697661746520ff' AS TEXT))")
    database = Database(path)
    with pytest.raises(DatabaseError, match="Could not decode") as told, database.transaction() as connection:
        connection.execute("SELECT prompt FROM x").fetchall()
    assert "private" not in str(told.value)


def test_a_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.database.BUSY_SECONDS", 0.05)
    database = Database(tmp_path / "v.db")
    other = sqlite3.connect(tmp_path / "v.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="locked by another program"), database.transaction():
        pass
    other.execute("ROLLBACK")
    with database.transaction():
        pass


def test_a_full_disk_is_told_and_loses_nothing(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    connection = blind_test.database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for _ in range(400):
            blind_test.vote(tester, battle.id, "left", comment="x" * 2000)
            blind_test.undo_vote(tester, battle.id)

    with pytest.raises(DatabaseError, match="disk is full"):
        fill()
    connection.execute("PRAGMA max_page_count = 1000000")
    if blind_test.battle(tester, battle.id).vote is None:
        blind_test.vote(tester, battle.id, "right")
    assert connection.execute("SELECT COUNT(*) FROM votes WHERE superseded = 0").fetchone()[0] == 1
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    database = Database(tmp_path / "v.db")
    database.connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('diptych', 'from_the_future', 'now')"
    )
    database.close()
    with pytest.raises(DatabaseError, match=r"newer version.*from_the_future"):
        Database(tmp_path / "v.db")


def use_migrations(monkeypatch: pytest.MonkeyPatch, further: dict[str, str]) -> None:
    scripts = schema.SCRIPTS | further
    monkeypatch.setattr(schema, "migrations", schema.migrations_of(scripts))
    monkeypatch.setattr(schema, "VERSIONS", tuple(scripts))


def test_an_older_schema_is_backed_up_and_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = open_test(tmp_path / "v.db")
    vote_for(test, test.enrol("1").id, ["tie"])
    test.database.close()
    use_migrations(monkeypatch, {"more": "ALTER TABLE testers ADD COLUMN shoe_size INTEGER;"})
    with pytest.raises(DatabaseError, match="older schema"):
        Database(tmp_path / "v.db", readonly=True)
    migrated = Database(tmp_path / "v.db")
    assert migrated.connection.execute("SELECT shoe_size FROM testers").fetchone()[0] is None
    (backup,) = tmp_path.glob("v.db.backup-*-before-more")
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT COUNT(*) FROM votes").fetchone()[0] == 1
        assert "shoe_size" not in str(copy.execute("SELECT sql FROM sqlite_master").fetchall())
    migrated.close()


def test_a_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(tmp_path / "v.db").close()
    half, broken = (f"ALTER TABLE {table} ADD COLUMN shoe_size INTEGER;" for table in ("testers", "nowhere"))
    use_migrations(monkeypatch, {"half": half, "broken": broken})
    with pytest.raises(DatabaseError):
        Database(tmp_path / "v.db")
    with sqlite3.connect(tmp_path / "v.db") as connection:
        assert "shoe_size" not in str(connection.execute("SELECT sql FROM sqlite_master").fetchall())


def test_the_registered_migrations_are_the_named_versions(tmp_path: Path) -> None:
    database = Database(tmp_path / "v.db")
    names = [row["name"] for row in database.connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    assert tuple(names) == schema.VERSIONS


def test_a_backup_can_be_restored(blind_test: BlindTest, tmp_path: Path) -> None:
    tester = blind_test.enrol("1").id
    vote_for(blind_test, tester, ["model1", "tie"])
    blind_test.database.backup(tmp_path / "copy.db")
    restored = BlindTest(Database(tmp_path / "copy.db"), blind_test.study, blind_test.models)
    assert restored.progress(tester) == (2, 12)
    with pytest.raises(DatabaseError, match="no folder"):
        blind_test.database.backup(tmp_path / "no" / "copy.db")


def test_reading_works_without_writing(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    vote_for(test, test.enrol("1").id, ["tie"])
    database = Database(tmp_path / "v.db", readonly=True)
    assert database.connection.execute("SELECT COUNT(*) FROM votes").fetchone()[0] == 1
    with pytest.raises(DatabaseError, match="cannot be written"), database.transaction():
        database.connection.execute("DELETE FROM looks")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no other user to be")
@pytest.mark.parametrize("opening", [Database, Database.existing, lambda path: Claim(path).take()])
def test_a_folder_that_cannot_be_entered_is_told_in_one_line(tmp_path: Path, opening: Callable[[Path], object]) -> None:
    """As a user without rights, in a container that runs as another user than the volume's: it was a traceback."""
    (tmp_path / "closed").mkdir()
    user = os.geteuid()
    (tmp_path / "closed").chmod(0)
    if user == 0:
        os.seteuid(65_534)  # the rights of root open every folder
    try:
        with pytest.raises(DatabaseError, match=r"v\.db: a folder above it cannot be entered"):
            opening(tmp_path / "closed" / "v.db")
    finally:
        os.seteuid(user)
        (tmp_path / "closed").chmod(0o700)


def test_a_killed_process_loses_no_saved_vote(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from tests.feedback.protocol import open_test, answered
test = open_test(Path({str(tmp_path / "v.db")!r}), rounds=1000)
tester = test.enrol("1").id
while True:
    battle = answered(test, tester, "Again?")
    vote = test.vote(tester, battle.id, "left")
    print(vote.id, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        saved = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        saved += [int(line) for line in process.stdout]
    kept = {row[0] for row in Database(tmp_path / "v.db").connection.execute("SELECT id FROM votes")}
    assert set(saved) <= kept
    assert len(kept) <= len(saved) + 1


def test_a_thread_that_ends_leaves_no_connection_behind(tmp_path: Path) -> None:
    database = Database(tmp_path / "v.db")
    for _ in range(5):
        thread = threading.Thread(target=lambda: database.connection.execute("SELECT 1"))
        thread.start()
        thread.join()
    gc.collect()
    assert len(database._connections) == 1, "this thread's own"
    database.close()
