"""HTTP: the members whom an affiliate has referred (docs/affiliates.md, "Referrals")."""

from functions.affiliate import referrals_store
from functions.affiliate.common import api
from functions.affiliate.referrals_store import Referral, ReferralState
from shared.affiliates.program import AffiliateProgramClosed, require_affiliate
from shared.auth import Member
from shared.db import Tx
from shared.values.fields import Listing, Page
from shared.values.tiers import Tier
from shared.web import paging
from shared.web.paging import Position


class ReferralsPage(Page):
    """A page of referred members; `active` ones have scanned within 30 days."""

    tier: Tier | None = None
    state: ReferralState | None = None


@api.get("/v1/affiliate/referrals", problems=(AffiliateProgramClosed,))
def list_referrals(tx: Tx, member: Member, page: ReferralsPage) -> Listing[Referral]:
    """List the referred members, newest first."""
    require_affiliate(tx, member.id)
    states = [True, False] if page.state is None else [page.state is ReferralState.ACTIVE]
    tiers = list(Tier) if page.tier is None else [page.tier]
    rows = referrals_store.page(tx, member.id, (states, tiers), paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.joined_at, row.id))
    return Listing[Referral](items=list(shown), next_cursor=cursor)
