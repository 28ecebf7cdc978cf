# no_broad_roles: google_project_iam_member.builder: roles/editor is broad

resource "google_project_iam_member" "builder" {
  role   = "roles/editor"
  member = "serviceAccount:builder"
}
