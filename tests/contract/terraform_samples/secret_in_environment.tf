# secrets_come_from_secret_manager_only: google_cloudfunctions2_function.this: BREVO_API_KEY in the environment

resource "google_cloudfunctions2_function" "this" {
  service_config {
    environment_variables = { THREADS = "8", BREVO_API_KEY = "xkeysib" }
  }
}
