# keys_are_rotated_and_cannot_be_destroyed: google_kms_crypto_key.treasury: can be destroyed

resource "google_kms_crypto_key" "treasury" {
  name                       = "treasury"
  purpose                    = "ASYMMETRIC_SIGN"
  destroy_scheduled_duration = "2592000s"
}
