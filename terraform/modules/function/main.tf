# One function in one region, private: only `caller` may call it.

variable "name" {
  description = "Name of the folder, which is also the name of the Python function."
  type        = string
}

variable "function" {
  description = "One entry of the catalog."
  type        = any
}

variable "region" {
  type = string
}

variable "source_object" {
  description = "Bucket and object of the zip; the object's name is made of its content."
  type        = object({ bucket = string, name = string })
}

variable "service_account" {
  description = "Whom it runs as."
  type        = string
}

variable "build" {
  description = "Whom it is built by, and where the image goes."
  type        = object({ service_account = string, repository = string })
}

variable "subnetwork" {
  type = object({ network = string, subnetwork = string })
}

variable "ingress" {
  type = string
  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"], var.ingress)
    error_message = "ingress must be ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  }
}

variable "caller" {
  description = "Who may call it: one account, or allUsers for what only the load balancer reaches."
  type        = string
}

variable "settings" {
  description = "What every function finds in its environment."
  type        = map(string)
}

variable "project" {
  type = string
}

variable "keep_warm" {
  type = bool
}

variable "canary" {
  description = "True: a new revision gets no traffic by itself."
  type        = bool
}

resource "google_cloudfunctions2_function" "this" {
  name        = var.function.service
  location    = var.region
  description = var.function.description
  labels      = { function = var.name }

  build_config {
    runtime           = "python311"
    entry_point       = var.name
    service_account   = var.build.service_account
    docker_repository = var.build.repository
    source {
      storage_source {
        bucket = var.source_object.bucket
        object = var.source_object.name
      }
    }
    automatic_update_policy {}
  }

  service_config {
    available_memory                 = var.function.memory
    available_cpu                    = tostring(var.function.cpu)
    max_instance_request_concurrency = var.function.concurrency
    min_instance_count               = var.keep_warm ? var.function.instances.min : 0
    max_instance_count               = var.function.instances.max
    timeout_seconds                  = var.function.timeout_seconds
    service_account_email            = var.service_account
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = !var.canary
    # More threads than requests are useless, fewer only queue (docs/cloud.md).
    environment_variables = merge(var.settings, var.function.environment, { THREADS = tostring(var.function.concurrency) })
    direct_vpc_egress     = "VPC_EGRESS_PRIVATE_RANGES_ONLY"
    direct_vpc_network_interface {
      network    = var.subnetwork.network
      subnetwork = var.subnetwork.subnetwork
      tags       = ["function"]
    }
    dynamic "secret_environment_variables" {
      for_each = var.function.secrets
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value
        version    = "latest" # read when an instance starts
      }
    }
  }
}

resource "google_cloud_run_service_iam_member" "invoker" {
  location = var.region
  service  = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = var.caller
}

output "uri" {
  value = google_cloudfunctions2_function.this.service_config[0].uri
}

output "name" {
  value = google_cloudfunctions2_function.this.name
}

output "shape" {
  description = "What a plan is read for: how it runs, who reaches it, what it is given."
  value = {
    region      = google_cloudfunctions2_function.this.location
    entry_point = google_cloudfunctions2_function.this.build_config[0].entry_point
    source      = google_cloudfunctions2_function.this.build_config[0].source[0].storage_source[0].object
    memory      = google_cloudfunctions2_function.this.service_config[0].available_memory
    cpu         = google_cloudfunctions2_function.this.service_config[0].available_cpu
    concurrency = google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency
    threads     = google_cloudfunctions2_function.this.service_config[0].environment_variables["THREADS"]
    min         = google_cloudfunctions2_function.this.service_config[0].min_instance_count
    max         = google_cloudfunctions2_function.this.service_config[0].max_instance_count
    timeout     = google_cloudfunctions2_function.this.service_config[0].timeout_seconds
    ingress     = google_cloudfunctions2_function.this.service_config[0].ingress_settings
    egress      = google_cloudfunctions2_function.this.service_config[0].direct_vpc_egress
    latest      = google_cloudfunctions2_function.this.service_config[0].all_traffic_on_latest_revision
    secrets     = { for secret in google_cloudfunctions2_function.this.service_config[0].secret_environment_variables : secret.key => "${secret.project_id}/${secret.secret}" }
    settings    = keys(google_cloudfunctions2_function.this.service_config[0].environment_variables)
    front       = google_cloudfunctions2_function.this.service_config[0].environment_variables["FRONT"]
  }
}
