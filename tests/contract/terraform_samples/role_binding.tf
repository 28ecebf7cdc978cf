# no_broad_roles: google_project_iam_binding.logs: replaces what others have granted

resource "google_project_iam_binding" "logs" {
  role    = "roles/logging.logWriter"
  members = ["serviceAccount:node"]
}
