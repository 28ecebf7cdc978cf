# no_broad_roles: google_project_iam_member.signer: roles/cloudkms.signerVerifier is broad

resource "google_project_iam_member" "signer" {
  role   = "roles/cloudkms.signerVerifier"
  member = "serviceAccount:auth"
}
