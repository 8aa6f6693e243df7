"""The delivery core, case by case."""

from typing import Any

import pytest
from tests.unit.core.delivery_shell import firing, item, outage, refusal, shell

from augenblick import limits
from augenblick.binding.releases import pack, record_key, unpack
from augenblick.core.delivery_target import Capacity


def reasons(letters: list[dict[str, Any]]) -> list[str]:
    return [letter["reason"] for letter in letters if letter["kind"] == "dead_letter"]


def test_a_record_is_performed_and_its_sender_hears_once_it_is_accepted() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 7, [item("a", "hook")], 0))
    (effect,) = out.performed
    assert (effect.action, effect.key, effect.attempt) == ("hook", "a", 1)
    assert unpack(effect.packed) == firing("a")
    assert not out.outcomes
    out.end(effect, None, 20)
    assert out.outcomes == {("shard-0", 7): {0: "delivered"}}
    assert out.core.outstanding == 0


def test_what_needs_no_action_is_final_at_once_and_in_the_tail() -> None:
    out = shell()
    items = [item("a"), item("b", "hook", shadow=True)]
    out.take(out.core.on_records("shard-0", 1, items, 0))
    assert not out.performed
    assert out.outcomes == {("shard-0", 1): {0: "recorded", 1: "recorded"}}
    assert [record["id"] for _, record in out.core.tail.after(0, "firing", 10)[0]] == ["a", "b"]
    assert out.core.status()["triggers"] == {"t": {"firings": 1, "shadow": 1}}


def test_an_outcome_waits_for_every_action_and_tells_the_worst() -> None:
    out = shell(hook=1, file=1)
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook", "file", "hook")], 0))
    assert [effect.action for effect in out.performed].count("hook") == 1
    out.end(out.running("hook")[0], refusal(), 1)
    out.end(out.running("file")[0], None, 2)
    assert not out.outcomes  # the dead letter is not written yet
    out.store(3)
    assert out.outcomes == {("shard-0", 1): {0: "dead_letter"}}


def test_a_dead_letter_of_an_action_holds_all_that_a_retry_needs() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook")], 1_000))
    out.end(out.performed[0], refusal(), 1_500)
    out.store(1_501)
    (letter,) = out.letters
    assert letter | {"id": ""} == {
        "kind": "dead_letter",
        "id": "",
        "reason": "action_refused",
        "detail": "HTTP 404",
        "source": "delivery",
        "time": 1_500,
        "firing": firing("a"),
        "action": "hook",
        "attempts": 1,
    }
    assert out.core.tail.after(0, "dead_letter", 10)[0][0][1] == letter


def test_a_failed_attempt_is_made_again_after_its_wait() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook")], 0))
    out.end(out.performed[0], outage(), 1_000)
    assert out.wake_ms == 1_250  # half of the first 500 ms
    out.take(out.core.on_tick(1_249))
    assert len(out.performed) == 1
    out.take(out.core.on_tick(1_250))
    assert [effect.attempt for effect in out.performed] == [1, 2]
    out.end(out.performed[1], None, 1_300)
    assert out.outcomes == {("shard-0", 1): {0: "delivered"}}
    assert out.core.status()["actions"]["hook"]["retried"] == 1


def test_attempts_end_in_a_dead_letter() -> None:
    out = shell()
    now_ms = 0.0
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook")], now_ms))
    while out.performing:
        out.end_all(outage(), now_ms)
        now_ms = max(now_ms, out.wake_ms or 0)
        out.take(out.core.on_tick(now_ms))
    out.store(now_ms)
    assert reasons(out.letters) == ["action_failed"]
    assert out.letters[0]["attempts"] == limits.delivery_attempts_max
    assert out.outcomes == {("shard-0", 1): {0: "dead_letter"}}


def test_retry_after_pauses_the_whole_target_and_no_other() -> None:
    out = shell(hook=1, file=1)
    out.take(out.core.on_records("s", 1, [item("a", "hook"), item("b", "hook", "file")], 0))
    out.end(out.running("hook")[0], outage(retry_after_ms=5_000), 10)
    assert not out.running("hook")
    assert len(out.running("file")) == 1
    out.take(out.core.on_tick(5_009))
    assert not out.running("hook")
    out.take(out.core.on_tick(5_010))
    assert len(out.running("hook")) == 1


def test_a_slow_target_delays_no_other() -> None:
    out = shell(slow=2, quick=2)
    items = [item(f"k{number}", "slow", "quick") for number in range(50)]
    out.take(out.core.on_records("s", 1, items, 0))
    while out.running("quick"):
        out.end(out.running("quick")[0], None, 1)
    assert out.core.status()["actions"]["quick"]["delivered"] == 50
    assert len(out.running("slow")) == 2
    assert out.core.status()["actions"]["slow"]["waiting"] == 48


def test_when_the_queue_is_full_the_oldest_leaves_as_a_dead_letter() -> None:
    out = shell(waiting_max=3, hook=1)
    items = [item(f"k{number}", "hook") for number in range(6)]
    out.take(out.core.on_records("s", 1, items, 0))
    out.store(1)
    assert reasons(out.letters) == ["outbox_full"] * 2
    assert [letter["firing"]["id"] for letter in out.letters] == ["k1", "k2"]
    while out.performing:
        out.end_all(None, 2)
    assert [effect.key for effect in out.performed] == ["k0", "k3", "k4", "k5"]
    assert out.outcomes["s", 1][1] == "dead_letter"
    assert out.outcomes["s", 1][5] == "delivered"


def test_an_action_that_the_plan_does_not_have_is_a_dead_letter() -> None:
    out = shell()
    out.take(out.core.on_records("s", 1, [item("a", "gone", "hook")], 0))
    out.store(0)
    assert reasons(out.letters) == ["unknown_action"]
    out.end_all(None, 1)
    assert out.outcomes == {("s", 1): {0: "dead_letter"}}


def test_a_record_in_flight_is_not_sent_twice_and_every_sender_hears() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook"), item("a", "hook")], 0))
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook"), item("a", "hook")], 5))
    out.take(out.core.on_records("shard-1", 9, [item("a", "hook")], 6))
    assert len(out.performed) == 1
    out.end_all(None, 7)
    assert out.outcomes == {
        ("shard-0", 1): {0: "delivered", 1: "delivered"},
        ("shard-1", 9): {0: "delivered"},
    }


def test_a_record_that_became_final_is_not_sent_again() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook")], 0))
    out.end_all(None, 1)
    out.take(out.core.on_records("shard-0", 2, [item("a", "hook")], 2))
    assert len(out.performed) == 1
    assert out.outcomes["shard-0", 2] == {0: "delivered"}
    assert out.core.status()["duplicates"] == 1
    assert out.core.status()["records"] == {"firing": 1}


def test_a_lost_sender_hears_nothing_and_its_records_go_on() -> None:
    out = shell()
    out.take(out.core.on_records("shard-0", 1, [item("a", "hook")], 0))
    out.take(out.core.on_dead_letters("shard-0", 1, [{"kind": "dead_letter", "id": "x"}], 0))
    out.take(out.core.on_peer_lost("shard-0", 1))
    out.end_all(None, 2)
    out.store(3)
    assert not out.outcomes
    assert not out.letters_done
    assert len(out.letters) == 1
    out.take(out.core.on_records("shard-0", 2, [item("a", "hook")], 3))
    assert out.outcomes == {("shard-0", 2): {0: "delivered"}}


def test_dead_letters_of_others_are_stored_counted_and_answered() -> None:
    out = shell()
    letters = [{"kind": "dead_letter", "id": str(n), "reason": "no_user"} for n in range(3)]
    out.take(out.core.on_dead_letters("gateway-0", 4, letters, 0))
    assert not out.letters_done
    out.store(1)
    assert out.letters == letters
    assert out.letters_done == {("gateway-0", 4): 1}
    counted = out.core.status()["dead_letters"]
    assert counted == {"by_reason": {"no_user": 3}, "stored": 3, "lost": 0}


def test_what_a_full_disk_loses_is_counted_answered_and_final() -> None:
    out = shell()
    out.take(out.core.on_dead_letters("gateway-0", 4, [{"kind": "dead_letter", "id": "1"}], 0))
    out.take(out.core.on_records("s", 1, [item("a", "hook")], 0))
    out.end_all(refusal(), 1)
    out.store(2, stored=False)
    assert out.letters_done == {("gateway-0", 4): 1}
    assert out.outcomes == {("s", 1): {0: "lost"}}
    assert out.core.status()["dead_letters"]["lost"] == 2
    assert out.core.outstanding == 0


def test_a_disk_that_does_not_answer_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "dead_letters_storing_max", 10)
    out = shell()
    for seq in range(5):
        letters = [{"kind": "dead_letter", "id": f"{seq}-{n}"} for n in range(4)]
        out.take(out.core.on_dead_letters("gateway-0", seq, letters, 0))
    assert sum(len(write.letters) for write in out.writes.values()) == 8
    assert out.core.status()["dead_letters"]["lost"] == 12
    assert len(out.letters_done) == 3


def test_reasons_that_peers_invent_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "dead_letter_reasons_max", 2)
    out = shell()
    letters = [{"kind": "dead_letter", "id": str(n), "reason": f"r{n}"} for n in range(5)]
    out.take(out.core.on_dead_letters("g", 1, letters, 0))
    counted = out.core.status()["dead_letters"]["by_reason"]
    assert counted == {"r0": 1, "r1": 1, "other": 3}


def test_a_retried_letter_is_delivered_and_leaves_the_list() -> None:
    out = shell()
    out.take(out.core.on_records("s", 1, [item("a", "hook")], 0))
    out.end_all(refusal(), 1)
    out.store(1)
    (letter,) = out.letters
    effects, taken, refused = out.core.on_retry([letter, letter], 5)
    out.take(effects)
    assert taken == 1
    assert refused == {letter["id"]: "is being delivered again already"}
    assert out.performed[-1].key == "a"
    out.end_all(None, 6)
    out.store(7)
    assert out.letters[-1] == {"kind": "settled", "id": letter["id"], "time": 6}
    assert out.core.outstanding == 0


def test_a_retry_that_fails_again_is_a_new_letter_in_place_of_the_old() -> None:
    out = shell()
    out.take(out.core.on_records("s", 1, [item("a", "hook")], 0))
    out.end_all(refusal(), 1)
    out.store(1)
    old = out.letters[0]
    out.take(out.core.on_retry([old], 5)[0])
    out.end_all(refusal(), 6)
    out.store(7)
    assert [(letter["kind"], letter["id"] == old["id"]) for letter in out.letters[1:]] == [
        ("dead_letter", False),
        ("settled", True),
    ]


def test_what_cannot_be_retried_is_named() -> None:
    out = shell(waiting_max=1, hook=1)
    letters = [
        {"id": "1", "event": {"user": "u"}},
        {"id": "2", "firing": firing("a"), "action": "gone"},
        {"id": "3", "firing": firing("b"), "action": "hook"},
        {"id": "4", "firing": firing("c"), "action": "hook"},
    ]
    effects, taken, refused = out.core.on_retry(letters, 0)
    out.take(effects)
    assert taken == 1
    assert sorted(refused) == ["1", "2", "4"]
    assert "refused event" in refused["1"]
    assert "gone" in refused["2"]
    assert "full" in refused["4"]


def test_stopping_turns_what_is_left_into_dead_letters() -> None:
    out = shell(hook=1)
    out.take(out.core.on_records("s", 1, [item("a", "hook"), item("b", "hook")], 0))
    late = out.performed[0]
    out.take(out.core.on_stop(10))
    out.take(out.core.on_records("s", 2, [item("c", "hook")], 11))
    out.store(12)
    assert reasons(out.letters) == ["engine_stopped"] * 3
    assert out.outcomes == {
        ("s", 1): {0: "dead_letter", 1: "dead_letter"},
        ("s", 2): {0: "dead_letter"},
    }
    out.end(late, None, 13)
    assert len(out.performed) == 1
    assert out.core.outstanding == 0


def test_many_outcomes_leave_in_bounded_messages() -> None:
    out = shell()
    count = 2 * limits.record_outcomes_max + 5
    effects = out.core.on_records("s", 1, [item(f"k{number}") for number in range(count)], 0)
    assert len(effects) == 3
    out.take(effects)
    assert len(out.outcomes["s", 1]) == count


@pytest.mark.parametrize(
    ("record", "other"),
    [
        ({"kind": "session", "user": "u", "start": 1, "end": 2, "events": 3}, {"start": 0}),
        ({"kind": "window", "feature": "f", "user": "u", "by": {"c": 1}, "start": 1}, {"by": None}),
        ({"kind": "metric", "metric": "m", "by": None, "start": 1, "end": 2}, {"metric": "n"}),
    ],
)
def test_a_record_without_id_is_known_by_what_identifies_it(
    record: dict[str, Any], other: dict[str, Any]
) -> None:
    key = record_key(record)
    assert len(key) == 32
    assert record_key(dict(reversed(record.items()))) == key
    assert record_key(record | {"events": 99, "value": 99}) == key
    assert record_key(record | other) != key


def test_what_comes_together_leaves_as_one_attempt_with_one_answer() -> None:
    out = shell(file=Capacity(1, records=100))
    batches = [("shard-0", 1, [item("a", "file"), item("b", "file")], 0.0)]
    batches += [("shard-1", 7, [item("c", "file"), item("a", "file")], 0.0)]
    out.take(out.core.on_batches(batches, 0))
    (attempt,) = out.attempted
    assert attempt.parts == tuple((key, pack(firing(key)), 1) for key in ("a", "b", "c"))
    assert out.core.status()["actions"]["file"]["performing"] == 3
    effects = out.core.on_performed([(attempt.delivery, None)], 1)
    assert len(effects) == 2  # one to each sender
    out.take(effects)
    assert out.outcomes == {
        ("shard-0", 1): {0: "delivered", 1: "delivered"},
        ("shard-1", 7): {0: "delivered", 1: "delivered"},
    }


def test_records_of_one_attempt_have_outcomes_retries_and_letters_of_their_own() -> None:
    out = shell(file=Capacity(1, records=100))
    items = [item(key, "file") for key in ("good", "bad", "late")]
    out.take(out.core.on_records("s", 1, items, 0))
    out.end_together(out.attempted[0], [None, refusal(), outage()], 1)
    out.store(1)
    assert out.outcomes == {("s", 1): {0: "delivered", 1: "dead_letter"}}
    assert [letter["firing"]["id"] for letter in out.letters] == ["bad"]
    out.take(out.core.on_records("s", 2, [item("new", "file")], 100))
    out.take(out.core.on_tick(1_000))
    out.end_all(None, 1_001)
    out.take(out.core.on_tick(1_001))
    out.end_all(None, 1_002)
    assert [[part[0] for part in one.parts] for one in out.attempted[1:]] == [["new"], ["late"]]
    assert out.attempted[-1].parts[0][2] == 2
    assert out.outcomes["s", 1][2] == "delivered"


def test_an_attempt_that_fails_as_a_whole_loses_nothing_and_repeats_nothing() -> None:
    out = shell(file=Capacity(1, records=100))
    keys = [f"k{number}" for number in range(10)]
    out.take(out.core.on_records("s", 1, [item(key, "file") for key in keys], 0))
    out.end_together(out.attempted[0], outage(), 1)
    assert out.core.status()["actions"]["file"]["waiting"] == 10
    out.take(out.core.on_tick(10_000))
    out.end_together(out.attempted[1], None, 10_001)
    assert [part[0] for part in out.attempted[1].parts] == keys
    assert set(out.outcomes["s", 1].values()) == {"delivered"}
    assert out.core.outstanding == 0


def test_records_are_held_back_only_where_no_attempt_can_begin() -> None:
    gathering = Capacity(1, records=100, apart_ms=50)
    out = shell(file=gathering, log=gathering)
    assert out.core.hold_ms(120) <= 0
    out.take(out.core.on_records("s", 1, [item("a", "file")], 120))
    assert out.core.hold_ms(121) == 29
    assert out.core.hold_ms(150) <= 0
    mixed = shell(file=gathering, hook=1)
    mixed.take(mixed.core.on_records("s", 1, [item("a", "file")], 120))
    assert mixed.core.hold_ms(121) <= 0
    assert shell().core.hold_ms(0) <= 0
