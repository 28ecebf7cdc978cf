"""A scan becomes a paid comp, through the gateway, on real parts."""

from decimal import Decimal

from emulators import cloud, people
from emulators.main_job import Played
from emulators.process import wait_until
from emulators.stack import Stack
from tests.e2e.conftest import in_each_mode

MAIL_SECONDS_MAX = 60.0


@in_each_mode
def test_the_winner_is_paid_once_on_the_chain(stack: Stack, played: Played) -> None:
    assert played.winner
    transfers = [move for move in stack.chain.transfers() if move.recipient.lower() == played.winner.wallet.lower()]
    assert sorted(move.amount_micro for move in transfers) == [5_000_000, 100_000_000]
    (prize,) = [move for move in transfers if move.amount_micro == 100_000_000]
    assert prize.transaction_hash == played.comp["transaction_hash"]


@in_each_mode
def test_tiers_rise_at_7_15_and_30_scans(played: Played) -> None:
    rises = {7: "vip", 15: "high_roller", 30: "whale"}
    for receipt in played.receipts:
        progress = receipt["tier_progress"]
        expected = [tier for scans, tier in rises.items() if progress["current_count"] >= scans]
        assert progress["current_tier"] == (expected[-1] if expected else "standard")


@in_each_mode
def test_every_member_is_told_and_the_counts_agree(played: Played) -> None:
    assert played.winner
    notes = played.winner.client.must("GET", "/v1/notifications?limit=100")["items"]
    unread = played.winner.client.must("GET", "/v1/notifications/unread-count")["unread_count"]
    titles = [note["title"] for note in notes]
    assert unread == len(notes)
    assert titles.count("You won $100!") == 1
    assert titles.count("$100 USDT is in your wallet") == titles.count("$5 USDT is in your wallet") == 1


@in_each_mode
def test_the_winner_gets_one_mail(stack: Stack, played: Played) -> None:
    assert played.winner
    subjects = [mail["subject"] for mail in people.mails_to(stack, played.winner.email)]
    assert subjects.count("$100 USDT is in your wallet") == 1


@in_each_mode
def test_an_order_is_paid_once_and_its_profit_is_in_the_pools(stack: Stack, played: Played) -> None:
    order, shares = played.bought.order, played.bought.shares
    assert order["payment"]["status"] == "captured"
    assert stack.vendors.card.total("capture") == round(order["total"] * 100)
    profit = Decimal(str(order["subtotal"])) - 11 * Decimal(2)
    assert [shares[pool] for pool in ("member", "affiliate", "wholesale")] == [
        profit * 50 / 100,
        profit * 5 / 100,
        profit * 5 / 100,
    ]
    receipt = [mail["subject"] for mail in people.mails_to(stack, played.members[0].email)]
    assert receipt.count(f"Receipt of your order {order['order_number']}") == 1


@in_each_mode
def test_the_order_is_sent_once_and_its_tins_are_sold(stack: Stack, played: Played) -> None:
    order = played.bought.order
    ordered = {"MINTICE-6": 11}
    assert order["status"] in ("shipped", "delivered")
    (sent,) = (each.shipments for each in stack.vendors.warehouse.orders() if each.items == ordered)
    assert [parcel.items for parcel in sent] == [ordered]
    assert [parcel["tracking_number"] for parcel in order["parcels"]] == [parcel.tracking_number for parcel in sent]
    assert played.bought.tins_sold == 11
    told = f"Your order {order['order_number']} is on its way"

    def mails() -> int:
        return [mail["subject"] for mail in people.mails_to(stack, played.members[0].email)].count(told)

    wait_until(lambda: mails() > 0, "the parcel's mail", MAIL_SECONDS_MAX)
    assert mails() == 1


@in_each_mode
def test_an_order_in_usdt_is_paid_by_what_came_to_the_shops_key(stack: Stack, played: Played) -> None:
    order = played.bought_in_usdt
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        ((key,),) = connection.execute_simple("SELECT lower(address) FROM signers WHERE treasury = 'shop'").rows
    came = [move.amount_micro for move in stack.chain.transfers() if move.recipient.lower() == key]
    assert order["confirmed_at"]
    assert (order["payment"]["provider"], order["payment"]["status"]) == ("usdt", "captured")
    assert [amount // 10_000 for amount in came] == [round(order["total"] * 100)]


@in_each_mode
def test_the_books_say_what_the_chain_says(stack: Stack, played: Played) -> None:
    assert played.winner
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        rows = connection.execute_simple("SELECT account, sum(balance) FROM ledger_balances GROUP BY account").rows
        pending = "SELECT coalesce(sum(amount), 0)::bigint FROM comps WHERE status = 'pending'"
        owed = connection.execute_simple(pending).rows[0][0]
        linked = connection.execute_simple("SELECT lower(address) FROM member_wallets").rows
    balances = {account: int(balance) for account, balance in rows}
    (treasury,) = {
        move.sender for move in stack.chain.transfers() if move.transaction_hash == played.comp["transaction_hash"]
    }
    paid = [move for move in stack.chain.transfers() if move.sender == treasury]
    wallets = {member.wallet.lower() for member in played.members}
    to_players = [move.amount_micro for move in paid if move.recipient.lower() in wallets]
    assert sum(to_players) == 100_000_000 + 5_000_000 * len(played.members)
    assert {move.recipient.lower() for move in paid} <= {address for (address,) in linked}
    assert balances["paid:member"] == sum(move.amount_micro for move in paid)  # other tests of this stack are paid too
    assert balances["in_flight:member"] == 0
    assert balances["owed:member"] == owed > 0  # to new members without a wallet, the admin for one
    assert sum(balances.values()) == 0
