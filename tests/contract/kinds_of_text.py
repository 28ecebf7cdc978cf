"""Says of which kind each text is that clients send: typed, written freely, secret, or made by programs."""

FIELDS = {
    "AccountDeletion.username": "username",
    "BankTransfer.bank_reference": "bank's reference",
    "BatchOrder.product_sku": "stock-keeping unit",
    "BusinessAddress.state": "state",
    "BusinessAddress.zip_code": "postal code",
    "CartAddition.sku": "stock-keeping unit",
    "CertificateGrant.state": "state",
    "ChipParcel.tracking_number": "tracking number",
    "ShipOrder.tracking_number": "carrier's number",
    "ShippedTins.sku": "stock-keeping unit",
    "CodeList.codes": "any tin code",
    "CodeQuery.code": "any tin code",
    "CustomCode.code": "custom code",
    "ReferralClick.code": "any referral code",
    "EmailConfirmation.code": "six digits",
    "EmailVerification.code": "six digits",
    "EmailVerification.email": "e-mail address",
    "Login.code": "six digits or backup code",
    "Login.email": "e-mail address",
    "MailedCodeRequest.email": "e-mail address",
    "OrderFilter.email": "e-mail address",
    "PasswordReset.code": "six digits",
    "PasswordReset.email": "e-mail address",
    "PoolThresholds.gas_wei": "number of wei",
    "ProfileChange.code": "six digits",
    "ProfileChange.email": "e-mail address",
    "ProfileChange.phone": "any telephone number",
    "ProfileChange.username": "username",
    "ProfileChange.zip_code": "postal code",
    "RefundedTins.sku": "stock-keeping unit",
    "ScanSubmission.code": "tin code",
    "SecondFactorEnd.code": "six digits or backup code",
    "SecondFactorProof.code": "six digits",
    "SentWithdrawal.transaction_hash": "transaction's hash",
    "Signup.email": "new e-mail address",
    "Signup.phone": "telephone number",
    "Signup.referral_code": "referral code",
    "Signup.username": "username",
    "ShippingAddress.state": "state",
    "ShippingAddress.zip": "ZIP code",
    "Signup.zip_code": "postal code",
    "TreasuryTransfer.to_address": "address of Polygon",
    "DepositReturn.to_address": "address of Polygon",
    "WalletAddress.address": "address of Polygon",
    "WalletLink.code": "six digits",
    "WholesaleItem.sku": "stock-keeping unit",
    "WholesaleApplication.email": "new e-mail address",
    "WholesaleApplication.phone": "telephone number",
    "WholesaleApplication.tax_id": "employer identification number",
    "WithdrawalOrder.code": "six digits",
    "OrderTransfer.code": "six digits",
    "WithdrawalOrder.to_address": "address of Polygon",
}
SECOND_FACTORS = "totp"  # a code of the app, under this name in every body of an admin
# Of people, for people: kept as they are written.
WORDS = frozenset(
    {"address_line1", "address_line2", "bio", "body", "city", "company_name", "contact_name", "evidence", "explanation",
     "full_name", "line1", "line2", "manufacturer_name", "name", "note", "notes", "number", "reason", "state", "title"}
)  # fmt: skip
PASSWORDS = frozenset({"password", "current_password"})  # read where they are hashed
MADE_BY_PROGRAMS = frozenset(
    {"action", "after", "card_id", "country", "cursor", "destination", "device_id", "digest", "id", "metrics",
     "picture", "reference", "refresh_token", "resource_id", "resource_type", "screen", "signature",
     "signed_transaction", "source_kind", "ticket", "timestamp", "token"}
)  # fmt: skip
