# secrets_come_from_secret_manager_only: google_secret_manager_secret_version.mac: the value would be in the state

resource "google_secret_manager_secret_version" "mac" {
  secret      = google_secret_manager_secret.mac.id
  secret_data = ""
}
