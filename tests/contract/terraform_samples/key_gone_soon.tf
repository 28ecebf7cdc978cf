# keys_are_rotated_and_cannot_be_destroyed: google_kms_crypto_key.treasury: a destroyed version is gone in less than 30 days

resource "google_kms_crypto_key" "treasury" {
  name    = "treasury"
  purpose = "ASYMMETRIC_SIGN"
  lifecycle {
    prevent_destroy = true
  }
}
