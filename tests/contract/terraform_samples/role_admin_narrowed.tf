# no_broad_roles: google_project_iam_member.builder: roles/storage.admin is broad

resource "google_project_iam_member" "builder" {
  role   = "roles/storage.admin"
  member = "serviceAccount:builder"
  condition {
    title      = "some"
    expression = "resource.name.startsWith(\"projects/_/buckets/some-\")"
  }
}
