# Files. Only avatars and streams are for everybody, through the CDN; everything else is reached by signed addresses.

locals {
  buckets = {
    avatars   = { public = true, versioning = false, rules = [{ action = "AbortIncompleteMultipartUpload", days = 1 }] }
    hls       = { public = true, versioning = false, rules = [{ action = "Delete", days = 30, prefix = "live/" }] } # recordings stay
    documents = { public = false, versioning = true, rules = [{ action = "NEARLINE", days = 90 }, { action = "DeleteOld", days = 365 }] }
    templates = { public = false, versioning = true, rules = [{ action = "DeleteOld", days = 365 }] }
    codes     = { public = false, versioning = false, rules = [{ action = "Delete", days = 30 }] } # whole batches of spendable codes
    reports   = { public = false, versioning = false, rules = [{ action = "Delete", days = 8 }] }  # kept for a week
    uploads   = { public = false, versioning = false, rules = [{ action = "Delete", days = 7 }] }
  }
}

resource "google_storage_bucket" "files" {
  for_each                    = local.buckets
  name                        = "${var.project}-${each.key}"
  location                    = var.data_location
  uniform_bucket_level_access = true
  public_access_prevention    = each.value.public ? "inherited" : "enforced"

  versioning {
    enabled = each.value.versioning
  }
  soft_delete_policy {
    retention_duration_seconds = contains(["codes", "reports"], each.key) ? 0 : 7 * 86400 # a deleted export must be gone
  }
  logging {
    log_bucket = google_storage_bucket.access_logs.name
  }
  dynamic "lifecycle_rule" {
    for_each = each.value.rules
    content {
      action {
        type          = lifecycle_rule.value.action == "NEARLINE" ? "SetStorageClass" : replace(lifecycle_rule.value.action, "DeleteOld", "Delete")
        storage_class = lifecycle_rule.value.action == "NEARLINE" ? "NEARLINE" : null
      }
      condition {
        age                        = lifecycle_rule.value.action == "DeleteOld" ? null : lifecycle_rule.value.days
        matches_prefix             = can(lifecycle_rule.value.prefix) ? [lifecycle_rule.value.prefix] : null
        days_since_noncurrent_time = lifecycle_rule.value.action == "DeleteOld" ? lifecycle_rule.value.days : null
      }
    }
  }
  dynamic "cors" {
    for_each = contains(["hls", "uploads", "documents"], each.key) ? [1] : []
    content {
      origin          = ["https://${var.domain}", "https://admin.${var.domain}"]
      method          = each.key == "hls" ? ["GET", "HEAD"] : ["GET", "PUT"]
      response_header = ["Content-Type"]
      max_age_seconds = 600
    }
  }
}

# Anybody may fetch an object whose name they know; nobody may list.
resource "google_storage_bucket_iam_member" "public" {
  for_each = toset([for name, bucket in local.buckets : name if bucket.public])
  bucket   = google_storage_bucket.files[each.key].name
  role     = "roles/storage.legacyObjectReader"
  member   = "allUsers"
}

# The zips that `make build` makes; objects are named by their content.
resource "google_storage_bucket" "sources" {
  name                        = "${var.project}-sources"
  location                    = var.data_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  versioning {
    enabled = true
  }
  logging {
    log_bucket = google_storage_bucket.access_logs.name
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
    }
  }
}

resource "google_storage_bucket" "access_logs" {
  name                        = "${var.project}-access-logs"
  location                    = var.data_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 400
    }
  }
}

# Cloud Storage's own log writer.
resource "google_storage_bucket_iam_member" "access_logs" {
  bucket = google_storage_bucket.access_logs.name
  role   = "roles/storage.objectCreator"
  member = "group:cloud-storage-analytics@google.com"
}

# Live Stream has no Terraform resources: admins' functions make inputs and channels. It writes as its own agent.
resource "google_project_service_identity" "livestream" {
  provider = google-beta
  service  = "livestream.googleapis.com"
}

resource "google_storage_bucket_iam_member" "livestream" {
  bucket = google_storage_bucket.files["hls"].name
  role   = "roles/storage.objectUser"
  member = google_project_service_identity.livestream.member
}

# A function's image must be in the function's own region.
resource "google_artifact_registry_repository" "images" {
  for_each      = toset(var.regions)
  repository_id = "functions"
  location      = each.key
  format        = "DOCKER"
  description   = "Images of the functions, made by Cloud Build."
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "${90 * 86400}s"
    }
  }
  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }
  depends_on = [google_project_service.used]
}
