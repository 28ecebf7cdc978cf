-- What a buyer wins while a bank has back what they paid: people look at it first (docs/shop.md, "Disputes").

CREATE FUNCTION pays_disputed(payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT payout.source_kind IN ('comp', 'affiliate_payout', 'wholesale_comp')
        AND EXISTS (SELECT FROM orders WHERE member_id = payout.member_id AND order_is_disputed(orders.id))
$$;
