# Terraform makes the secrets that function.yaml names; people put the values in (gcloud secrets versions add), so that
# no value is in a plan or a state.

resource "google_secret_manager_secret" "used" {
  for_each  = toset([for use in module.catalog.secrets : use.secret])
  secret_id = each.key
  replication {
    auto {}
  }
  version_destroy_ttl = "${30 * 86400}s" # a destroyed version can be called back
  lifecycle {
    prevent_destroy = true
  }
  depends_on = [google_project_service.used]
}
