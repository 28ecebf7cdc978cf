# the_database_survives: google_sql_database_instance.main: cannot go back to a second

resource "google_sql_database_instance" "main" {
  deletion_protection = true
  settings {
    availability_type           = "REGIONAL"
    deletion_protection_enabled = true
    backup_configuration {
      point_in_time_recovery_enabled = false
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
