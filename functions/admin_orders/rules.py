"""Decides which refunds may be asked for, what may be sent by hand, and which words of people count. Pure."""

from collections.abc import Mapping, Sequence

from shared.values.goods import cents
from shared.values.money import ZERO, Usdt
from shared.values.problems import NotAllowed, Problem, TooManyRequests

ADDRESSES_PER_HOUR = 60
EXPORTS_PER_HOUR = 60

Faults = list[dict[str, str]]


class RefundExceedsPayment(Problem):
    """More would be given back than is left of the order; `left` is all that is, in USD."""

    status, title = 409, "So much is not left of this order."


class TinsNotSent(Problem):
    """More tins are asked for than were sent and are not refunded yet. Tins that were not sent are refunded by
    cancelling the order. `sent` gives the tins of each product that can be refunded.
    """

    status, title = 409, "These tins have not been sent."


class OrderNotResendable(Problem):
    """The warehouse may still send the order, or has sent something of it; or it is not paid, or to be cancelled."""

    status, title = 409, "This order cannot be sent again."


class OrderNotShippable(Problem):
    """The order is not sent by hand: it is not paid, all of it has left or was paid back, or it is to be cancelled."""

    status, title = 409, "This order cannot be sent by hand."


class FulfilmentNotRefused(Problem):
    """The warehouse has neither refused nor cancelled the order by its own word, so that it may still send it;
    `fulfilment_status` is how far it is.
    """

    status, title = 409, "The warehouse may still send this order."


class RefundUndecided(Problem):
    """A refund of the order waits for a second person: whoever sends the tins must know whether they are paid back."""

    status, title = 409, "A refund of this order waits for a decision. Decide it first."


class ParcelNotByHand(Problem):
    """The warehouse has sent the parcel, and tells what becomes of it."""

    status, title = 409, "What becomes of this parcel is the warehouse's word."


class ParcelOutcomeKnown(Problem):
    """The parcel has come so far already, or further; `parcel_status` tells. An outcome is not taken back."""

    status, title = 409, "What became of this parcel is known."


class RefundChanged(Problem):
    """Since it was asked for, other refunds have changed what these tins, or the shipping, give back; `amount` is what
    it would be now. Reject it, and ask anew.
    """

    status, title = 409, "This refund would be of another amount now."


class RefundDecided(Problem):
    """The refund was recorded or rejected before; `refund_status` tells which."""

    status, title = 409, "This refund does not wait for a decision."


class RefundOfOwnRequest(NotAllowed):
    """The admin who asked for a refund must not approve it."""

    title = "Somebody else must approve this: you asked for it."


class RefundWithoutRequester(Problem):
    """The admin who asked has lost the role or is suspended, so that the first of two people is missing."""

    status, title = 409, "Who asked for this may not refund any more. Reject it and ask anew."


class OperationNotInQuestion(Problem):
    """The provider's word is still waited for, or has decided, or the outcome is none of this operation's."""

    status, title = 409, "Nobody has to say this of the operation."


class ResolvedBefore(Problem):
    """This person has said the same before; each person counts once. Something else would replace it."""

    status, title = 409, "You have said this already. A second person has to say the same."


class ReferenceOfAnother(Problem):
    """The reference is that of another operation."""

    status, title = 409, "Another operation has this reference."


class AddressErased(Problem):
    """The address of the order was removed."""

    status, title = 409, "The address of this order was erased."


class TooManyAddressesShown(TooManyRequests):
    """The admin has looked at many addresses within the hour."""

    title = "You have looked at very many addresses; wait a little."


class TooManyExports(TooManyRequests):
    """The admin has exported many parts of what was sent within the hour."""

    title = "You have exported very many addresses; wait a little."


def price(amount: Usdt) -> Usdt:
    """The amount, which must be positive and whole cents. Raises ValueError."""
    if amount <= ZERO:
        raise ValueError("must be more than zero")
    cents(amount)
    return amount


def refund_faults(kind: str, reason: str, *, tins: Mapping[str, int], amount: Usdt | None) -> Faults:
    """The faults of a refund that has the fields of another kind, or lacks its own; empty if there are none."""
    faults = []
    if (kind == "tins") != bool(tins):
        faults.append({"field": "/tins", "message": "is required for a refund by tins, and for no other"})
    if (kind == "amount") != (amount is not None):
        faults.append({"field": "/amount", "message": "is required for a refund of an amount, and for no other"})
    if kind == "tins" and reason == "goodwill":
        faults.append({"field": "/reason", "message": "is none for tins: refund an amount"})
    return faults


def tins_sent(wanted: Sequence[tuple[str, int]], left: Mapping[str, int]) -> tuple[dict[str, int], Faults]:
    """The tins that leave, by SKU, which are all that are left if none are named; and the faults of what is named: a
    product that the order does not have, and more tins than are left.
    """
    faults = []
    for number, (sku, tins) in enumerate(wanted):
        if sku not in left:
            faults.append({"field": f"/tins/{number}/sku", "message": "is not in this order"})
        elif tins > left[sku]:
            faults.append({"field": f"/tins/{number}/tins", "message": f"must not be more than {left[sku]}"})
    return dict(wanted) or {sku: tins for sku, tins in left.items() if tins > 0}, faults


def resolution_faults(outcome: str, reference: str | None) -> Faults:
    """The faults of an outcome with a reference that it must not have, or without the one that it needs."""
    if (outcome == "not_done") == (reference is not None):
        return [{"field": "/reference", "message": "is required unless the outcome is not_done"}]
    return []
