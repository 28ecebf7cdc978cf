# no_broad_roles: google_cloud_run_service_iam_member.open: everybody is granted something

resource "google_cloud_run_service_iam_member" "open" {
  service = "users"
  role    = "roles/run.invoker"
  member  = "allUsers"
}
