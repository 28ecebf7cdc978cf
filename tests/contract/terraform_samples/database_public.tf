# nothing_of_ours_has_an_address_outside: google_sql_database_instance.main: has an address outside

resource "google_sql_database_instance" "main" {
  deletion_protection = true
  settings {
    availability_type           = "REGIONAL"
    deletion_protection_enabled = true
    backup_configuration {
      point_in_time_recovery_enabled = true
    }
    ip_configuration {
      ipv4_enabled    = true
      private_network = google_compute_network.main.id
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}
