# Postgres: regional, with a private address only, logins by IAM, any second of the last week, and a replica elsewhere.

locals {
  database_flags = {
    "cloudsql.iam_authentication" = "on"
    max_connections               = tostring(var.database.connections_max)
    log_min_messages              = "error"
    log_min_error_statement       = "error"
    log_statement                 = "ddl"
    log_lock_waits                = "on"
    log_checkpoints               = "on"
    log_connections               = "on"
    log_disconnections            = "on"
    log_temp_files                = "0"
    "cloudsql.enable_pgaudit"     = "on"
    "pgaudit.log"                 = "ddl,role"
  }
}

resource "google_sql_database_instance" "main" {
  name                = "blakjaks"
  region              = var.regions[0]
  database_version    = "POSTGRES_18"
  deletion_protection = true

  settings {
    edition                     = var.database.edition
    tier                        = var.database.tier
    availability_type           = "REGIONAL"
    disk_size                   = var.database.disk_gb
    disk_autoresize             = true
    connector_enforcement       = "REQUIRED" # who has no certificate from the connector is not let in
    deletion_protection_enabled = true

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      start_time                     = "04:00"
      location                       = "us"
      backup_retention_settings {
        retained_backups = 30
      }
    }
    ip_configuration {
      ipv4_enabled                                  = false
      private_network                               = google_compute_network.main.id
      ssl_mode                                      = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
      enable_private_path_for_google_cloud_services = false
    }
    insights_config {
      query_insights_enabled = true
    }
    maintenance_window {
      day          = 2
      hour         = 9
      update_track = "stable"
    }
    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
  depends_on = [google_service_networking_connection.services]
  lifecycle {
    prevent_destroy = true
  }
}

# Promoted by a person when the first region is lost (docs/cloud.md); active_region then points the functions here.
resource "google_sql_database_instance" "replica" {
  for_each             = toset(slice(var.regions, 1, length(var.regions)))
  name                 = "blakjaks-${each.key}"
  region               = each.key
  database_version     = "POSTGRES_18"
  master_instance_name = local.region == each.key ? null : google_sql_database_instance.main.name
  deletion_protection  = true

  settings {
    edition                     = var.database.edition
    tier                        = var.database.tier
    availability_type           = "REGIONAL"
    disk_autoresize             = true
    connector_enforcement       = "REQUIRED"
    deletion_protection_enabled = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.main.id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }
    insights_config {
      query_insights_enabled = true
    }
    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
    dynamic "backup_configuration" { # once it is a primary itself
      for_each = local.region == each.key ? [1] : []
      content {
        enabled                        = true
        point_in_time_recovery_enabled = true
      }
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_sql_database" "main" {
  name            = "blakjaks"
  instance        = google_sql_database_instance.main.name
  deletion_policy = "ABANDON"
}

# Functions log in as their service accounts, which are members of the Postgres roles that function.yaml names under
# `database` (shared/database/migrations/*_database_roles.sql says what each may do); docs/cloud.md tells how the roles come to be.
resource "google_sql_user" "function" {
  for_each       = { for name, function in local.functions : name => function if contains(function.roles, "cloudsql.instanceUser") }
  instance       = google_sql_database_instance.main.name
  name           = trimsuffix(google_service_account.function[each.key].email, ".gserviceaccount.com")
  type           = "CLOUD_IAM_SERVICE_ACCOUNT"
  database_roles = [for role in each.value.database : role == "owner" ? "cloudsqlsuperuser" : "blakjaks_${role}"]
}
