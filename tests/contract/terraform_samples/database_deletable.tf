# the_database_survives: google_sql_database_instance.main: can be deleted in passing

resource "google_sql_database_instance" "main" {
  settings {
    availability_type           = "REGIONAL"
    deletion_protection_enabled = true
    backup_configuration {
      point_in_time_recovery_enabled = true
    }
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.main.id
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}
