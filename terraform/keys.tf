# Keys never leave their HSM. Destroying a version takes 120 days in which it can be called back, and Terraform refuses.

locals {
  treasuries = ["member", "affiliate", "wholesale", "shop"]
  signing_keys = merge(
    { for name in local.treasuries : "${name}-treasury-key" => { ring = "treasury-keys", algorithm = "EC_SIGN_SECP256K1_SHA256", level = "HSM" } },
    # Old tokens live fifteen minutes: a new version is used ten minutes after it was published (functions/migrate).
    { access-token-key = { ring = "access-tokens", algorithm = "RSA_SIGN_PKCS1_2048_SHA256", level = "SOFTWARE" } },
  )
}

resource "google_kms_key_ring" "ring" {
  for_each   = toset(["treasury-keys", "access-tokens", "envelope"])
  name       = each.key
  location   = var.kms_location
  depends_on = [google_project_service.used]
}

# KMS does not rotate signing keys by itself: a treasury's key is its address, an access token's is rotated by a person.
resource "google_kms_crypto_key" "signing" {
  for_each                   = local.signing_keys
  name                       = each.key
  key_ring                   = google_kms_key_ring.ring[each.value.ring].id
  purpose                    = "ASYMMETRIC_SIGN"
  destroy_scheduled_duration = "${120 * 86400}s"
  version_template {
    algorithm        = each.value.algorithm
    protection_level = each.value.level
  }
  lifecycle {
    prevent_destroy = true
  }
}

# Wraps the keys that secrets in rows are encrypted with.
resource "google_kms_crypto_key" "envelope" {
  name                       = "envelope-key"
  key_ring                   = google_kms_key_ring.ring["envelope"].id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "${90 * 86400}s"
  destroy_scheduled_duration = "${120 * 86400}s"
  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = "HSM"
  }
  lifecycle {
    prevent_destroy = true
  }
}
