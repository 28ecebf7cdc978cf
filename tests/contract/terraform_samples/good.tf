# Takes nothing amiss: every rule has something to look at here.

locals {
  buckets = {
    avatars = { public = true }
    codes   = { public = false }
  }
  settings = merge({ DATA_KEY_KMS_KEY = "projects/…", ACCESS_TOKEN_KEY_VERSION = "projects/…" }, {})
}

resource "google_storage_bucket" "files" {
  for_each                    = local.buckets
  name                        = each.key
  uniform_bucket_level_access = true
  public_access_prevention    = each.value.public ? "inherited" : "enforced"
}

resource "google_storage_bucket_iam_member" "public" {
  for_each = toset([for name, bucket in local.buckets : name if bucket.public])
  bucket   = google_storage_bucket.files[each.key].name
  role     = "roles/storage.legacyObjectReader"
  member   = "allUsers"
}

resource "google_storage_bucket" "private" {
  name                        = "private"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
}

resource "google_project_iam_member" "logs" {
  for_each = toset(["logging.logWriter", "monitoring.metricWriter"])
  role     = "roles/${each.key}"
  member   = "serviceAccount:node"
}

resource "google_kms_crypto_key" "wraps" {
  name                       = "wraps"
  rotation_period            = "7776000s"
  destroy_scheduled_duration = "${120 * 86400}s"
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_subscription" "event" {
  topic = google_pubsub_topic.event.id
  push_config {
    push_endpoint = "https://receiver"
    oidc_token {
      service_account_email = "invoker"
    }
  }
  retry_policy {
    minimum_backoff = "1s"
  }
  dead_letter_policy {
    dead_letter_topic = google_pubsub_topic.dead.id
  }
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "dead" {
  topic = google_pubsub_topic.dead.id
  expiration_policy {
    ttl = ""
  }
}

resource "google_cloudfunctions2_function" "this" {
  service_config {
    environment_variables = { THREADS = "8", APNS_KEY_ID = "ABC" }
  }
}

resource "google_compute_firewall" "inside" {
  source_ranges = ["10.0.0.0/8"]
  allow {
    protocol = "tcp"
  }
}
