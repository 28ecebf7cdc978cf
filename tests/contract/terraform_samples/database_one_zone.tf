# the_database_survives: google_sql_database_instance.main: is in one zone only

resource "google_sql_database_instance" "main" {
  deletion_protection = true
  settings {
    availability_type           = "ZONAL"
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
