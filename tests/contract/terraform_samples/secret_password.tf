# secrets_come_from_secret_manager_only: google_sql_user.owner: password is in the configuration

resource "google_sql_user" "owner" {
  name     = "owner"
  password = "hunter2"
}
