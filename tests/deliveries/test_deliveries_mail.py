"""E-mail: letters in both languages to whoever is on duty, encrypted, and no message can write its own headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.kernel import outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.channel import Channel, ChannelKind, open_channels
from cityheart.kernel.deliveries.letters import Letter
from cityheart.kernel.deliveries.mail import Mail, is_address, written
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.errors import Invalid
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import Sending
from cityheart.kernel.text import text

from .servers import PASSWORD, MailServer, certificate

AT = datetime(2015, 11, 25, tzinfo=UTC)
KINDS = [ChannelKind("email", Mail.problems, Mail)]
DUTY = {"industry": ["wang@industry.example", "li@industry.example"], "health": ["zhao@health.example"]}
TITLES = {"industry": text("经信局", "Industry bureau"), "health": text("卫健委", "Health commission")}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    clock = VirtualClock(AT)
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, Ids(clock, 1))
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


def channel(port: int, **more: object) -> Channel:
    given = {"starttls": "never", **more}
    return Channel.model_validate(
        {"name": "mail", "kind": "email", "address": f"smtp://localhost:{port}", "sender": "city@city.example", **given}
    )


def sending(database: Database, tmp_path: Path, duty: dict[str, list[str]] | None = None) -> Sending:
    known = DUTY if duty is None else duty
    return Sending(
        tmp_path, database, "beijing", text("北京", "Beijing"), url="https://city.example/",
        addresses=lambda unit: known.get(unit, []), titles=lambda: TITLES,
    )  # fmt: skip


def order(unit: str, title: str = "停产核查", step: str = "a") -> dict[str, object]:
    return {
        "unit": unit, "step": step, "task": f"task-{unit}-{step}", "title": text(title, "Check the stops"),
        "accept_due": "2015-11-25T00:30:00.000000Z", "due": "2015-11-25T04:00:00.000000Z",
    }  # fmt: skip


def post(database: Database, key: str, topic: str, payload: dict[str, object]) -> None:
    with database.work(Actor.system("test")) as work:
        work.post(key, topic, payload)


def carry(database: Database, folder: Path, given: Channel, duty: dict[str, list[str]] | None = None) -> Relays:
    relays = Relays(database, sending(database, folder, duty), open_channels([given], KINDS))
    relays.carry()
    return relays


def part(letter: EmailMessage, kind: str) -> str:
    body = letter.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def told(database: Database) -> dict[tuple[str, str], object]:
    items, _ = outbox.listed(database, Actor.system("test"))
    return {(str(item["key"]), str(item["recipient"])): item["state"] for item in items}


def test_a_click_writes_one_letter_to_each_person_on_duty(small: Database, server: MailServer, tmp_path: Path) -> None:
    post(
        small,
        "orders:1",
        "orders",
        {"orders": [order("industry"), order("industry", "限产核查", "b"), order("health")]},
    )
    carry(small, tmp_path, channel(server.port, recipients=["duty@city.example"]))
    assert sorted(to for to, _ in server.letters) == [
        "duty@city.example", "duty@city.example", "li@industry.example", "wang@industry.example", "zhao@health.example",
    ]  # fmt: skip
    letter = next(letter for to, letter in server.letters if to == "wang@industry.example")
    assert letter["Subject"] == "新任务 2 项：停产核查 等 | 2 new tasks: Check the stops and more"
    assert letter["From"] == "北京 <city@city.example>" and letter["Auto-Submitted"] == "auto-generated"
    plain, rich = part(letter, "plain"), part(letter, "html")
    for said in (plain, rich):
        assert "停产核查：签收时限 2015-11-25 08:30，办结时限 2015-11-25 12:00" in said, "the city's own time"
        assert "Check the stops: accept by 2015-11-25 08:30, finish by 2015-11-25 12:00" in said
        assert "https://city.example/tasks" in said
    assert "限产核查" not in part(next(one for to, one in server.letters if to == "zhao@health.example"), "plain")
    assert len({letter["Message-ID"] for _, letter in server.letters}) == 5
    assert server.sessions == 1


def test_an_escalation_goes_to_whom_the_ladder_names(small: Database, server: MailServer, tmp_path: Path) -> None:
    payload = {"to": "mayor", "unit": "industry", "reason": "due", "task": "task-1", "title": text("停产核查", "Check")}
    post(small, "escalation:1", "escalations", payload)
    carry(small, tmp_path, channel(server.port), {"mayor": ["mayor@city.example"]})
    ((to, letter),) = server.letters
    assert (
        to == "mayor@city.example"
        and letter["Subject"] == "催办：停产核查（办理超时） | Escalated: Check (not finished in time)"
    )
    assert "承办单位：经信局" in part(letter, "plain") and "https://city.example/tasks/task-1" in part(letter, "plain")


def test_a_step_that_could_not_decide_is_told(small: Database, server: MailServer, tmp_path: Path) -> None:
    payload = {
        "to": "coordinator",
        "unit": "",
        "reason": "undecided",
        "incident": "incident-1",
        "title": text("判级", "Grade"),
    }
    post(small, "escalation:1", "escalations", payload)
    carry(small, tmp_path, channel(server.port), {"coordinator": ["desk@city.example"]})
    ((_, letter),) = server.letters
    assert letter["Subject"] == "催办：判级（自动步骤无法判定） | Escalated: Grade (an automatic step could not decide)"
    assert "承办单位" not in part(letter, "plain") and "/incidents/incident-1" in part(letter, "plain")


def test_nothing_in_a_message_becomes_markup_or_a_header(small: Database, server: MailServer, tmp_path: Path) -> None:
    bad = '停产\r\nBcc: everybody@example.org\r\n\r\n<script>alert("1")</script> & <b>'
    post(small, "message:1", "notice", {"to": "industry", "title": text(bad, bad), "text": bad, "task": "../../x?<"})
    carry(small, tmp_path, channel(server.port))
    assert len(server.letters) == 2
    for raw, (_, letter) in zip(server.raw, server.letters, strict=True):
        head = raw.partition(b"\r\n\r\n")[0]
        assert b"\nBcc:" not in head and letter["Bcc"] is None
        rich = part(letter, "html")
        assert "<script>" not in rich and "<b>" not in rich and "&lt;script&gt;" in rich
        assert 'https://city.example/tasks"' in rich, "a path that is none leads to the tasks"


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_letter_says_its_head_is_ours(subject: str, line: str) -> None:
    class Standing:
        def now(self) -> datetime:
            return AT

    class Store:
        clock = Standing()

    sent = Sending(Path(), Store(), title=text(line or "x", "x"))  # type: ignore[arg-type]
    what = Letter("industry", text(subject, subject), (text(line, line),), "/tasks")
    letter = written(sent, "city@city.example", "li@industry.example", what, "key")
    head = letter.as_bytes().partition(b"\r\n\r\n")[0].decode("ascii")
    names = [one.partition(":")[0] for one in head.split("\r\n") if one and one[0] not in " \t"]
    assert sorted(names) == sorted(
        ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )


@pytest.mark.parametrize(
    "address",
    ["", "x", "a@b@c", "a b@c.d", "a@b\r\nBcc: c@d", "<a@b>", "a@", "@b", "A <a@b.c>", "a@b.c,d@e.f", "a\x00@b.c",
     "x" * 255 + "@b.c"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    assert not is_address(address)


def test_one_address_that_is_refused_does_not_repeat_the_others(
    small: Database, server: MailServer, tmp_path: Path
) -> None:
    post(small, "orders:1", "orders", {"orders": [order("industry"), order("health")]})
    server.rejects, server.defers = {"zhao@health.example"}, set()
    relays = carry(small, tmp_path, channel(server.port))
    assert told(small) == {("orders:1", "industry"): "sent", ("orders:1", "health"): "given_up"}
    post(small, "orders:2", "orders", {"orders": [order("industry"), order("health")]})
    server.rejects, server.defers = set(), {"zhao@health.example"}
    relays.carry()
    assert told(small)["orders:2", "health"] == "waiting"
    server.defers = set()
    assert isinstance(small.clock, VirtualClock)
    small.clock.advance_to(datetime(2015, 11, 25, 1, tzinfo=UTC))
    relays.carry()
    assert told(small)["orders:2", "health"] == "sent"
    assert [to for to, _ in server.letters].count("wang@industry.example") == 2


def test_a_letter_sent_twice_around_a_crash_is_known_again(small: Database, server: MailServer, tmp_path: Path) -> None:
    """The server hangs up after it has taken the letter and before it says so."""
    post(small, "orders:1", "orders", {"orders": [order("health")]})
    server.hangs_up_after = 1
    relays = carry(small, tmp_path, channel(server.port))
    assert told(small) == {("orders:1", "health"): "waiting"}
    server.hangs_up_after = None
    assert isinstance(small.clock, VirtualClock)
    small.clock.advance_to(datetime(2015, 11, 25, 1, tzinfo=UTC))
    relays.carry()
    assert told(small) == {("orders:1", "health"): "sent"}
    assert len(server.letters) == 2 and len({letter["Message-ID"] for _, letter in server.letters}) == 1


def test_a_server_that_is_away_costs_one_try_of_one_message(small: Database, tmp_path: Path) -> None:
    gone = MailServer()
    gone.close()
    for number in range(3):
        post(small, f"orders:{number}", "orders", {"orders": [order("health")]})
    carry(small, tmp_path, channel(gone.port))
    items, _ = outbox.listed(small, Actor.system("test"))
    assert [item["attempts"] for item in items] == [1, 0, 0] and {item["state"] for item in items} == {"waiting"}


def test_with_nobody_on_duty_there_is_nobody_to_write_to(small: Database, server: MailServer, tmp_path: Path) -> None:
    post(small, "orders:1", "orders", {"orders": [order("industry")]})
    carry(small, tmp_path, channel(server.port), {})
    assert server.sessions == 0 and told(small) == {("orders:1", "industry"): "sent"}


def test_only_the_departments_and_topics_of_the_channel(small: Database, server: MailServer, tmp_path: Path) -> None:
    post(small, "orders:1", "orders", {"orders": [order("industry"), order("health")]})
    post(small, "escalation:1", "escalations", {"to": "health", "unit": "health", "reason": "due"})
    carry(small, tmp_path, channel(server.port, topics=["orders"], departments=["health"]))
    assert [to for to, _ in server.letters] == ["zhao@health.example"]


def test_starttls_and_a_password_from_the_environment(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    server = MailServer(tls=both, auth=True)
    given = channel(server.port, starttls="require", user="city", secret_env="MAIL_PASSWORD")
    post(small, "orders:1", "orders", {"orders": [order("health")]})
    relays = carry(small, tmp_path, given)
    assert server.signed_in == ["city"] and server.encrypted == [True] and len(server.letters) == 1
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    post(small, "orders:2", "orders", {"orders": [order("health")]})
    relays.carry()
    (item,) = [item for item in outbox.listed(small, Actor.system("test"))[0] if item["key"] == "orders:2"]
    assert item["state"] == "waiting" and item["error"] == "the mail server refuses the name and password"
    server.close()


def test_a_server_without_encryption_or_that_nobody_vouches_for_gets_nothing(
    small: Database, server: MailServer, tmp_path: Path
) -> None:
    post(small, "orders:1", "orders", {"orders": [order("health")]})
    carry(small, tmp_path, channel(server.port, starttls="require"))
    strange = MailServer(tls=certificate(tmp_path))
    post(small, "orders:2", "orders", {"orders": [order("health")]})
    carry(small, tmp_path, channel(strange.port, starttls="require", name="other"))
    strange.close()
    assert server.letters == [] == strange.letters


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"address": "http://mail"}, "address is not"),
        ({"address": "smtp://user:pw@mail"}, "address is not"),
        ({"address": "smtp://mail:99999"}, "address is not"),
        ({"sender": ""}, "sender is not"),
        ({"sender": "x\ny@z"}, "sender is not"),
        ({"recipients": ["nobody"]}, "recipient is not"),
        ({"user": "city"}, "go together"),
        ({"address": "smtp://mail.example", "user": "city", "secret_env": "MAIL_PASSWORD"}, "not encrypted"),
        ({"kind": "pigeon"}, "no kind pigeon"),
        ({"secret_env": "NOT_THERE_AT_ALL", "user": "city"}, "environment has no NOT_THERE_AT_ALL"),
        ({"name": "inbox"}, "taken"),
    ],
)
def test_a_wrong_channel_says_so_in_one_line(
    more: dict[str, object], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    with pytest.raises(Invalid, match=complaint) as refusal:
        open_channels([channel(25, **more)], KINDS)
    assert "\n" not in refusal.value.detail and refusal.value.remedy
    assert str(more.get("name", "mail")) in refusal.value.detail


def test_two_channels_of_one_name_are_refused() -> None:
    both: Sequence[Channel] = [channel(25), channel(26)]
    with pytest.raises(Invalid, match="taken"):
        open_channels(both, KINDS)
