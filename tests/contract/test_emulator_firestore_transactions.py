"""Are the embedded Firestore's transactions as serializable as Google's?"""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore import Client, DocumentReference, Transaction, transactional

from tests.contract.firestore_world import call, fill, root

pytest_plugins = ["tests.contract.firestore_plugin"]


def test_a_transaction_reads_and_writes(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    assert increment(firestore, firestore.document("counters/a")) == 2
    assert firestore.document("counters/a").get().get("n") == 2


def test_concurrent_increments_all_count(firestore: Client) -> None:
    """Few of them: Google's emulator takes seconds for each that it aborts, and a busy machine lets it abort all the
    tries of one. What it did commit counts.
    """
    total, committed = count_together(firestore, threads=2, times=2)
    assert total == committed > 0


def test_many_concurrent_increments_all_count(embedded_firestore: Client) -> None:
    assert count_together(embedded_firestore, threads=8, times=10) == (80, 80)


def test_money_moved_concurrently_is_neither_made_nor_lost(embedded_firestore: Client) -> None:
    fill(embedded_firestore, "accounts", {name: {"n": 100} for name in "abc"})
    pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")] * 10
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda pair: move(embedded_firestore, *pair), pairs))
    found = {account.id: account.get("n") for account in embedded_firestore.collection("accounts").stream()}
    assert found == {"a": 110, "b": 90, "c": 100}


def test_of_two_that_read_the_same_only_one_commits(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    first, second = begin(firestore), begin(firestore)
    read(firestore, first, "counters/a")
    read(firestore, second, "counters/a")
    outcomes = [commit(firestore, first, "counters/a", 10), commit(firestore, second, "counters/a", 20)]
    assert sorted(outcomes) == ["ABORTED", "OK"]
    assert firestore.document("counters/a").get().get("n") == (10 if outcomes[0] == "OK" else 20)


def test_a_plain_write_waits_for_the_transaction_that_read(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    transaction = begin(firestore)
    read(firestore, transaction, "counters/a")
    with ThreadPoolExecutor(1) as threads:
        plain = threads.submit(firestore.document("counters/a").set, {"n": 100})
        assert commit(firestore, transaction, "counters/a", 2) == "OK"
        plain.result()
    assert firestore.document("counters/a").get().get("n") == 100


def test_a_plain_write_gives_up_on_a_transaction_that_stays(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    transaction = begin(firestore)
    read(firestore, transaction, "counters/a")
    with pytest.raises(exceptions.Aborted):
        firestore.document("counters/a").set({"n": 100}, retry=None)
    assert commit(firestore, transaction, "counters/a", 2) == "OK"


def test_a_document_read_as_missing_stays_missing(firestore: Client) -> None:
    transaction = begin(firestore)
    read(firestore, transaction, "counters/new")
    with ThreadPoolExecutor(1) as threads:
        plain = threads.submit(firestore.document("counters/new").set, {"n": 100})
        assert commit(firestore, transaction, "counters/new", 1) == "OK"
        plain.result()
    assert firestore.document("counters/new").get().get("n") == 100


def test_a_query_in_a_transaction_gains_no_results(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    transaction = begin(firestore)
    structured = {"from_": [{"collection_id": "counters"}]}
    list(call(firestore, "run_query", parent=root(firestore), structured_query=structured, transaction=transaction))
    with ThreadPoolExecutor(1) as threads:
        phantom = threads.submit(firestore.document("counters/phantom").set, {"n": 1})
        assert commit(firestore, transaction, "sums/total", 1) == "OK"
        written = phantom.result()
    assert firestore.document("sums/total").get().update_time < written.update_time


def test_a_transaction_does_not_lock_what_it_did_not_read(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}, "b": {"n": 1}})
    transaction = begin(firestore)
    read(firestore, transaction, "counters/a")
    firestore.document("counters/b").set({"n": 5}, retry=None)
    assert commit(firestore, transaction, "counters/b", 6) == "OK"


def test_a_read_only_transaction_sees_one_moment(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}, "b": {"n": 1}})
    transaction = begin(firestore, read_only={})
    assert read(firestore, transaction, "counters/a") == 1
    fill(firestore, "counters", {"a": {"n": 2}, "b": {"n": 2}})
    assert read(firestore, transaction, "counters/b") == 1


def test_a_read_only_transaction_writes_nothing(firestore: Client) -> None:
    assert commit(firestore, begin(firestore, read_only={}), "counters/a", 1) == "INVALID_ARGUMENT"
    assert not firestore.document("counters/a").get().exists


def test_a_transaction_rolled_back_is_over_and_changes_nothing(firestore: Client) -> None:
    transaction = begin(firestore)
    call(firestore, "rollback", database=firestore._database_string, transaction=transaction)
    assert commit(firestore, transaction, "counters/a", 1) == "INVALID_ARGUMENT"
    assert not firestore.document("counters/a").get().exists


def test_a_rolled_back_transaction_holds_up_nobody(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    transaction = begin(firestore)
    read(firestore, transaction, "counters/a")
    call(firestore, "rollback", database=firestore._database_string, transaction=transaction)
    firestore.document("counters/a").set({"n": 2}, retry=None)
    assert firestore.document("counters/a").get().get("n") == 2


def test_a_committed_transaction_cannot_be_used_again(firestore: Client) -> None:
    transaction = begin(firestore)
    assert commit(firestore, transaction, "counters/a", 1) == "OK"
    assert commit(firestore, transaction, "counters/a", 2) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("transaction", [b"nonsense", b"\xff" * 16])
def test_a_transaction_nobody_began_is_refused(firestore: Client, transaction: bytes) -> None:
    assert commit(firestore, transaction, "counters/a", 1) == "INVALID_ARGUMENT"


def test_an_exception_in_the_callers_code_leaves_nothing(firestore: Client) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.set(firestore.document("counters/a"), {"n": 1})
        raise LookupError

    with pytest.raises(LookupError):
        transactional(fail)(firestore.transaction())
    assert not firestore.document("counters/a").get().exists


def test_a_read_can_begin_the_transaction(firestore: Client) -> None:
    fill(firestore, "counters", {"a": {"n": 1}})
    names = [f"{root(firestore)}/counters/a"]
    database = firestore._database_string
    begun, found = call(
        firestore, "batch_get_documents", database=database, documents=names, new_transaction={"read_write": {}}
    )
    assert found.found.fields["n"].integer_value == 1
    assert commit(firestore, begun.transaction, "counters/a", 2) == "OK"


def test_an_optimistic_transaction_holds_up_nobody(embedded_firestore: Client) -> None:
    """Google's emulator locks for these, too."""
    fill(embedded_firestore, "counters", {"a": {"n": 1}})
    transaction = begin(embedded_firestore, read_write={"concurrency_mode": "OPTIMISTIC"})
    read(embedded_firestore, transaction, "counters/a")
    embedded_firestore.document("counters/a").set({"n": 5}, retry=None)
    assert commit(embedded_firestore, transaction, "counters/a", 2) == "ABORTED"
    assert embedded_firestore.document("counters/a").get().get("n") == 5


def test_a_transaction_that_has_lost_reads_on_in_the_state_it_saw(embedded_firestore: Client) -> None:
    fill(embedded_firestore, "counters", {"a": {"n": 1}, "b": {"n": 1}})
    older, younger = begin(embedded_firestore), begin(embedded_firestore)
    read(embedded_firestore, younger, "counters/a")
    read(embedded_firestore, older, "counters/a")
    assert commit(embedded_firestore, older, "counters/a", 2, "counters/b") == "OK"
    assert read(embedded_firestore, younger, "counters/b") == 1
    assert commit(embedded_firestore, younger, "counters/b", 9) == "ABORTED"


def increment(client: Client, document: DocumentReference) -> int:
    def add_one(transaction: Transaction) -> int:
        number: int = document.get(transaction=transaction).get("n") + 1
        transaction.update(document, {"n": number})
        return number

    done: int = transactional(add_one)(client.transaction(max_attempts=20))
    return done


def count_together(client: Client, threads: int, times: int) -> tuple[int, int]:
    """The counter after all have counted, and how many of their transactions were committed."""
    counter = client.document("counters/shared")
    counter.set({"n": 0})
    together = threading.Barrier(threads)

    def count() -> int:
        together.wait()
        return sum(was_committed(client, counter) for _ in range(times))

    with ThreadPoolExecutor(threads) as pool:
        committed = sum(running.result() for running in [pool.submit(count) for _ in range(threads)])
    total: int = counter.get().get("n")
    return total, committed


def was_committed(client: Client, document: DocumentReference) -> bool:
    """Whether one more was counted; False when the client gave up, which says so after its last aborted try."""
    try:
        increment(client, document)
    except ValueError as failure:
        if "Failed to commit transaction" not in str(failure):
            raise
        return False
    return True


def move(client: Client, giver: str, taker: str) -> None:
    documents = [client.document(f"accounts/{name}") for name in (giver, taker)]

    def transfer(transaction: Transaction) -> None:
        found = {account.id: account.get("n") for account in transaction.get_all(documents)}
        transaction.update(documents[0], {"n": found[giver] - 1})
        transaction.update(documents[1], {"n": found[taker] + 1})

    transactional(transfer)(client.transaction(max_attempts=20))


def begin(client: Client, **options: Any) -> bytes:
    options = options or {"read_write": {}}
    token: bytes = call(client, "begin_transaction", database=client._database_string, options=options).transaction
    return token


def read(client: Client, transaction: bytes, path: str) -> int:
    names = [f"{root(client)}/{path}"]
    database = client._database_string
    [found] = call(client, "batch_get_documents", database=database, documents=names, transaction=transaction)
    number: int = found.found.fields["n"].integer_value if "found" in found else 0
    return number


def commit(client: Client, transaction: bytes, path: str, number: int, *more: str) -> str:
    """The status of a transaction's commit that sets `n` of the documents."""
    fields = {"n": {"integer_value": number}}
    writes = [{"update": {"name": f"{root(client)}/{each}", "fields": fields}} for each in (path, *more)]
    try:
        call(client, "commit", database=client._database_string, transaction=transaction, writes=writes)
    except exceptions.GoogleAPICallError as error:
        return error.grpc_status_code.name if error.grpc_status_code is not None else repr(error)
    return "OK"
