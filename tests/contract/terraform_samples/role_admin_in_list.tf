# no_broad_roles: google_project_iam_member.builder: storage.admin is broad

resource "google_project_iam_member" "builder" {
  for_each = toset(["logging.logWriter", "storage.admin"])
  role     = "roles/${each.key}"
  member   = "serviceAccount:builder"
}
