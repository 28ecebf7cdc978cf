"""Whatever stands between us and the chain does to our calls, money moves once and only what the chain holds counts."""

from collections.abc import Callable, Iterator

import pytest

from emulators.chain.node import CHAIN_ID
from shared.ports.polygon import chain
from shared.values.money import Usdt
from tests.fault.conftest import PRIZE, World
from tests.fault.rpc_proxy import Fault, RpcProxy

DEEP = 12
QUESTIONS = ("eth_chainId", "eth_call", "eth_getBlockByNumber", "eth_maxPriorityFeePerGas")
ROUNDS = 6


@pytest.fixture
def proxy(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RpcProxy]:
    """The only way to the chain."""
    made = RpcProxy(world.chain.url)
    made.start()
    monkeypatch.setenv("RPC_URLS", made.url)
    yield made
    made.stop()


@pytest.fixture
def second(world: World, proxy: RpcProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[RpcProxy]:
    """Another node beside the proxy's, with faults of its own."""
    made = RpcProxy(world.chain.url)
    made.start()
    monkeypatch.setenv("RPC_URLS", f"{proxy.url},{made.url}")
    yield made
    made.stop()


def assert_each_paid_once(world: World, count: int) -> None:
    assert world.rows("SELECT state, count(*) FROM payouts GROUP BY state") == [["PAID", count]]
    owed = world.rows("SELECT lower(recipient_address), amount FROM payouts ORDER BY 1")
    assert sorted([moved.recipient.lower(), moved.amount_micro] for moved in world.transfers()) == owed
    assert world.rows("SELECT sum(amount)::bigint FROM payouts") == world.rows(
        "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'paid:member'"
    )
    assert world.rows("SELECT count(*), max(nonce) + 1 FROM payout_slots") == [[count, count]]


def test_every_way_of_losing_a_sending_pays_once(world: World, proxy: RpcProxy) -> None:
    for fault in Fault:
        world.win()
        proxy.faults["eth_sendRawTransaction"] += [fault]

    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, len(Fault))


def test_every_way_of_losing_a_question_before_sending_pays_once(world: World, proxy: RpcProxy) -> None:
    world.win()
    for fault in Fault:
        for question in QUESTIONS:
            proxy.faults[question] += [fault]
            world.outbox.deliver_all()
            proxy.faults.clear()
            world.outbox.pass_time()

    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, 1)


@pytest.mark.parametrize("question", ["eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_blockNumber"])
def test_no_fault_of_a_question_about_a_payment_is_taken_for_its_end(
    world: World, proxy: RpcProxy, question: str
) -> None:
    payout = world.win()
    world.outbox.deliver_all()
    world.chain.mine(DEEP)
    for fault in Fault:
        proxy.always = {question: fault}
        world.outbox.deliver_all()
        assert world.state(payout) == "IN_FLIGHT", fault
        world.outbox.pass_time()
    proxy.always = {}

    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, 1)


def test_a_node_that_is_down_for_a_while_loses_nothing(world: World, proxy: RpcProxy) -> None:
    for _ in range(3):
        world.win()
    proxy.always = dict.fromkeys((*QUESTIONS, "eth_sendRawTransaction"), Fault.LOST_BEFORE)
    for _ in range(ROUNDS):
        world.outbox.deliver_all()
        world.outbox.pass_time()
    assert world.transfers() == []
    proxy.always = {}

    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, 3)


def other_hash(block: dict[str, object] | None) -> dict[str, object] | None:
    return block and block | {"hash": "0x" + "e" * 64}


def in_another_block(receipt: dict[str, object] | None) -> dict[str, object] | None:
    return receipt and receipt | {"blockHash": "0x" + "e" * 64}


def reverted(receipt: dict[str, object] | None) -> dict[str, object] | None:
    return receipt and receipt | {"status": "0x0"}


DISAGREEMENTS: dict[str, tuple[str, Callable[[dict[str, object] | None], object]]] = {
    "it has no receipt": ("eth_getTransactionReceipt", lambda _: None),
    "its receipt is of another block": ("eth_getTransactionReceipt", in_another_block),
    "its receipt says reverted": ("eth_getTransactionReceipt", reverted),
    "its block is another": ("eth_getBlockByNumber", other_hash),
    "its head is behind": ("eth_blockNumber", lambda _: "0x1"),
    "its finalized block is behind": ("eth_getBlockByNumber", lambda block: block and {**block, "number": "0x1"}),
}


@pytest.mark.parametrize("disagreement", DISAGREEMENTS)
def test_while_a_second_node_says_otherwise_nothing_is_final(
    world: World, proxy: RpcProxy, second: RpcProxy, disagreement: str
) -> None:
    assert proxy.url != second.url
    payout = world.win()
    world.outbox.deliver_all()
    world.chain.mine(DEEP)
    second.altered = dict([DISAGREEMENTS[disagreement]])
    for _ in range(3):
        world.outbox.deliver_all()
    assert world.state(payout) == "IN_FLIGHT"
    second.altered = {}

    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, 1)


def test_a_second_node_on_another_chain_stops_everything_before_a_signature(
    world: World, proxy: RpcProxy, second: RpcProxy
) -> None:
    world.win()
    second.altered = {"eth_chainId": lambda _: hex(CHAIN_ID + 1)}
    for _ in range(3):
        world.outbox.deliver_all()

    assert world.rows("SELECT count(*) FROM payout_attempts") == [[0]]
    assert "eth_sendRawTransaction" not in proxy.calls


def test_a_second_node_that_sees_less_money_is_believed(world: World, proxy: RpcProxy, second: RpcProxy) -> None:
    assert proxy.url
    payout = world.win()
    less = f"0x{PRIZE.micro - 1:064x}"
    second.altered = {"eth_call": lambda result: less if int(result, 16) > PRIZE.micro else result}  # not isBlocked

    world.outbox.deliver_all()

    assert world.rows("SELECT state, hold_reason FROM payouts") == [["HELD", "funds"]]
    assert world.rows("SELECT count(*) FROM payout_slots") == [[0]], payout


RETURNS_FALSE = "0x5f5f5260205ff3"  # any call: 32 bytes of zero, and no log


def test_a_transfer_that_succeeds_and_moves_nothing_pays_nobody(world: World) -> None:
    """A payment of status 1 without its Transfer log (the token answers false, or is not there) ends QUARANTINED,
    unpaid.
    """
    payout = world.win()
    world.outbox.deliver_all()
    code = world.chain.rpc("eth_getCode", [world.chain.usdt, "latest"])
    world.chain.rpc("anvil_setCode", [world.chain.usdt, RETURNS_FALSE])
    world.chain.mine(DEEP)
    world.chain.rpc("anvil_setCode", [world.chain.usdt, code])
    for _ in range(3):
        world.outbox.deliver_all()

    assert world.transfers() == []
    assert world.state(payout) == "QUARANTINED"  # it ran to its end: money may have moved in another way
    assert world.rows("SELECT count(*) FROM ledger_journals WHERE ref LIKE 'paid:%'") == [[0]]
    assert world.rows("SELECT status FROM comps") == [["pending"]]


@pytest.mark.parametrize("depth", [1, 5])
def test_a_block_that_is_replaced_takes_the_payment_back_and_it_is_sent_again(world: World, depth: int) -> None:
    payout = world.win()
    world.outbox.deliver_all()
    world.chain.mine(depth)
    world.outbox.deliver_all()
    assert world.rows("SELECT state FROM payout_slots") == [["MINED"]]

    world.chain.reorg(depth)
    world.outbox.deliver_all()
    assert world.rows("SELECT state FROM payout_slots") == [["LIVE"]]
    assert world.state(payout) == "IN_FLIGHT"
    world.outbox.deliver_until(world.all_paid)

    assert_each_paid_once(world, 1)


@pytest.mark.parametrize("amount", [Usdt(1), Usdt.of("0.01"), Usdt.of("9999.999999")])
def test_amounts_arrive_to_the_last_micro_usdt(world: World, amount: Usdt) -> None:
    world.win(amount)

    world.outbox.deliver_until(world.all_paid)

    assert [moved.amount_micro for moved in world.transfers()] == [amount.micro]


def test_a_raw_transaction_that_no_node_understands_is_no_failure(proxy: RpcProxy) -> None:
    """The port's promise: sending never raises."""
    for fault in Fault:
        proxy.always = {"eth_sendRawTransaction": fault}
        assert chain.connect().send([b"\x02nonsense"])[0].outcome is not chain.SendOutcome.ACCEPTED, fault
