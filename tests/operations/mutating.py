"""An example request for every operation that changes something."""

from tests.operations import (
    auth,
    codes,
    comps,
    members,
    messages,
    orders,
    scans,
    shop,
    treasury,
    wallet,
    webhooks,
    wholesale,
)

EXAMPLE_REQUESTS = [
    members.change_profile, members.confirm_email, members.upload_avatar, members.remove_avatar, members.create_export,
    members.override_tier, members.remove_quarter_override, members.remove_permanent_override,
    members.set_referral_code, members.vault_chips, members.withdraw_chips, members.suspend_member,
    members.activate_member,
    messages.change_preferences, messages.register_device, messages.remove_device, messages.broadcast,
    messages.read_one, messages.read_all, messages.create_token,
    auth.signup, auth.verify_email, auth.login, auth.refresh, auth.resend_verification, auth.request_password_reset,
    auth.confirm_password_reset, auth.set_up_second_factor, auth.enable_second_factor, auth.disable_second_factor,
    auth.renew_backup_codes, auth.prove_second_factor, auth.end_session,
    wallet.challenge, wallet.link, wallet.withdraw, wallet.broadcast_withdrawal, wallet.follow_sent_withdrawal,
    wallet.cancel_withdrawal, wallet.create_oobit_token, wallet.put_oobit_card,
    webhooks.hear_card, webhooks.hear_agechecker,
    shop.add_to_cart, shop.update_cart_item, shop.remove_cart_item, shop.change_product, shop.count_stock,
    orders.estimate_tax, orders.create_order, orders.cancel_order, orders.pay_order,
    wholesale.apply_for_wholesale, wholesale.decide_wholesale_application, wholesale.suspend_wholesale_account,
    wholesale.activate_wholesale_account, wholesale.show_wholesale_tax_id,
    scans.submit, scans.decide_flagged_scan, scans.decide_flagged_scans,
    codes.generate, codes.export, codes.import_feedback, codes.create_import, codes.start_import,
    codes.invalidate_codes, codes.reuse_codes, codes.invalidate_batch, codes.reuse_batch, codes.recall_batch,
    codes.search_code,
    comps.change_comp_rule, comps.award_comp, comps.cancel_comp, comps.choose_trip, comps.contact_winner,
    comps.mail_chip, comps.decide_guarantee_review, comps.retry_comp, comps.approve_comp,
    treasury.pause_treasury, treasury.resume_treasury, treasury.set_treasury_alerts, treasury.send_from_treasury,
    treasury.approve_payout, treasury.approve_treasury_transfer, treasury.cancel_treasury_transfer,
    treasury.start_reconciliation, treasury.resolve_finding, treasury.approve_payouts, treasury.explain_foreign_nonce,
]  # fmt: skip
# The access token of the request is no longer valid after these, so that they cannot be repeated.
NOT_REPEATABLE = {"logout", "end_all_sessions", "change_password", "delete_account"}
