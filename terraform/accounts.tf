# One service account per function with the roles of its function.yaml and no other, and a few for what is not a function.

locals {
  named_accounts = {
    gateway  = "API Gateway, when it calls functions"
    invoker  = "Pub/Sub, Cloud Tasks and Scheduler, when they call functions"
    firebase = "Signs the tokens with which clients listen to Firestore"
    files    = "Signs addresses of files in buckets"
    builder  = "Cloud Build, when it makes a function's image"
    node     = "The Polygon nodes"
  }
}

resource "google_service_account" "function" {
  for_each     = local.functions
  account_id   = "fn-${each.value.service}"
  display_name = "Function ${each.key}"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "named" {
  for_each     = local.named_accounts
  account_id   = "blakjaks-${each.key}"
  display_name = each.value
  depends_on   = [google_project_service.used]
}

resource "google_project_iam_member" "function" {
  for_each = module.catalog.project_roles
  project  = var.project
  role     = "roles/${each.value.role}"
  member   = google_service_account.function[each.value.function].member
}

resource "google_service_account_iam_member" "function" {
  for_each           = module.catalog.scoped_roles["iam"]
  service_account_id = google_service_account.named[each.value.target].name
  role               = "roles/${each.value.role}"
  member             = google_service_account.function[each.value.function].member
}

resource "google_storage_bucket_iam_member" "function" {
  for_each = module.catalog.scoped_roles["storage"]
  bucket   = google_storage_bucket.files[each.value.target].name
  role     = "roles/${each.value.role}"
  member   = google_service_account.function[each.value.function].member
}

resource "google_kms_key_ring_iam_member" "function" {
  for_each    = module.catalog.scoped_roles["cloudkms"]
  key_ring_id = google_kms_key_ring.ring[each.value.target].id
  role        = "roles/${each.value.role}"
  member      = google_service_account.function[each.value.function].member
}

resource "google_secret_manager_secret_iam_member" "function" {
  for_each  = module.catalog.secrets
  secret_id = google_secret_manager_secret.used[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.value.function].member
}

# An address signed by `files` opens what `files` may read or write.
resource "google_storage_bucket_iam_member" "files" {
  for_each = toset(["codes", "documents", "reports", "uploads", "avatars"])
  bucket   = google_storage_bucket.files[each.key].name
  role     = contains(["codes", "reports"], each.key) ? "roles/storage.objectViewer" : "roles/storage.objectUser"
  member   = google_service_account.named["files"].member
}

resource "google_project_iam_member" "builder" {
  for_each = toset(["logging.logWriter", "artifactregistry.writer"])
  project  = var.project
  role     = "roles/${each.key}"
  member   = google_service_account.named["builder"].member
}

resource "google_storage_bucket_iam_member" "builder" {
  bucket = google_storage_bucket.sources.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.named["builder"].member
}

# Cloud Functions copies the zip to a bucket of its own, which it makes with the first function of a region.
resource "google_project_iam_member" "builder_copies" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = google_service_account.named["builder"].member
  condition {
    title      = "copies-of-sources"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }
}

resource "google_project_iam_member" "node" {
  for_each = toset(["logging.logWriter", "monitoring.metricWriter"])
  project  = var.project
  role     = "roles/${each.key}"
  member   = google_service_account.named["node"].member
}

# Who used a key or read a secret is written down.
resource "google_project_iam_audit_config" "data_access" {
  for_each = toset(["cloudkms.googleapis.com", "secretmanager.googleapis.com", "iam.googleapis.com"])
  project  = var.project
  service  = each.key
  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
