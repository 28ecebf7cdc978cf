# keys_are_rotated_and_cannot_be_destroyed: google_kms_crypto_key.wraps: is not rotated every 90 days

resource "google_kms_crypto_key" "wraps" {
  name                       = "wraps"
  rotation_period            = "${365 * 86400}s"
  destroy_scheduled_duration = "2592000s"
  lifecycle {
    prevent_destroy = true
  }
}
