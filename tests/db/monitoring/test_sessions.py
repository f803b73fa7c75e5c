"""How many sessions the site may open on PostgreSQL, how many are left for it, and by what road it reaches them."""

from db.monitoring import sessions
from db.session import reading
from tests.house.test_procfile import options


def test_a_sender_has_one_session_for_each_connection_and_one_more(setting):
    assert sessions.of_process("sender", setting(SEND_CONNECTIONS=16)) == 17
    assert sessions.of_processes({"worker": 2, "sender": 1, "clock": 1}, setting(SEND_CONNECTIONS=6)) == 12


def test_what_the_procfile_starts_is_known(setting):
    def number(line: str, option: str) -> int:
        words = options(line, "gunicorn" if line == "web" else "celery")
        return int(words[words.index(option) + 1])

    assert sessions.PROCFILE["web"] == number("web", "--workers")
    assert number("web", "--threads") == sessions.WEB_THREADS
    assert sessions.PROCFILE["worker"] == number("worker", "--concurrency")
    assert sessions.PROCFILE["sender"] == number("sender", "--concurrency")


def test_postgresql_tells_what_it_allows_and_whose_sessions_there_are(postgresql):
    with reading() as one:
        alone = sessions.room(one)
        assert sessions.road(one) == "socket"
    with reading() as one, reading() as another:
        sessions.road(one)
        room = sessions.room(another)
    assert room.allowed == 97, "of 100, PostgreSQL keeps three for superusers"
    assert (room.ours, room.others) == (alone.ours + 1, alone.others)
    assert room.others >= 1, "the one with which the tests empty the database"
