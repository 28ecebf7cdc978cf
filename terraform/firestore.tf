# What clients listen to. Postgres has the truth; everything here can be projected anew.

resource "google_firestore_database" "main" {
  name                              = "(default)"
  location_id                       = "nam5"
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  deletion_policy                   = "ABANDON"
  depends_on                        = [google_project_service.used]
}

resource "google_firebaserules_ruleset" "firestore" {
  source {
    files {
      name    = "firestore.rules"
      content = file("${path.module}/firestore.rules")
    }
  }
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [google_firestore_database.main]
}

resource "google_firebaserules_release" "firestore" {
  name         = "cloud.firestore"
  ruleset_name = google_firebaserules_ruleset.firestore.name
}

# Clients exchange our custom token for Firebase's: nobody signs up there by themselves.
resource "google_firebase_project" "this" {
  provider   = google-beta
  depends_on = [google_project_service.used]
}

resource "google_identity_platform_config" "this" {
  sign_in {
    allow_duplicate_emails = false
    anonymous {
      enabled = false
    }
    email {
      enabled = false
    }
  }
  depends_on = [google_firebase_project.this]
}

# One member's unread notifications, newest first; everything else that clients ask has an automatic index.
resource "google_firestore_index" "unread_notifications" {
  database   = google_firestore_database.main.name
  collection = "notifications"
  fields {
    field_path = "read"
    order      = "ASCENDING"
  }
  fields {
    field_path = "created_at"
    order      = "DESCENDING"
  }
}

# Copies go by themselves: feed lines when their `expires_at` has come, notifications after 90 days. Nobody asks for
# `expires_at`, and an index of ascending times would be hot.
resource "google_firestore_field" "feed_expires_at" {
  database   = google_firestore_database.main.name
  collection = "feed"
  field      = "expires_at"
  index_config {}
  ttl_config {}
}

# Pages of the chat go after a day. Their texts are asked for by nobody, and indexing them would cost more than they do.
resource "google_firestore_field" "page_expires_at" {
  database   = google_firestore_database.main.name
  collection = "pages"
  field      = "expires_at"
  index_config {}
  ttl_config {}
}

resource "google_firestore_field" "page_body" {
  database   = google_firestore_database.main.name
  collection = "pages"
  field      = "body"
  index_config {}
}

resource "google_firestore_field" "notification_created_at" {
  database   = google_firestore_database.main.name
  collection = "notifications"
  field      = "created_at"
  ttl_config {
    expiration_offset = "${90 * 86400}s"
  }
}
