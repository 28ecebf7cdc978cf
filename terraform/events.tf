# How jobs are woken: topics with push subscriptions, task queues, schedules. All call as the invoker account.

resource "google_pubsub_topic" "event" {
  for_each                   = module.catalog.topics
  name                       = each.key
  message_retention_duration = "604800s" # a week to be played again from
  depends_on                 = [google_project_service.used]
}

resource "google_pubsub_topic" "dead_letters" {
  name                       = "dead-letters"
  message_retention_duration = "2678400s"
  depends_on                 = [google_project_service.used]
}

resource "google_pubsub_subscription" "event" {
  for_each                   = module.catalog.subscriptions
  name                       = each.key
  topic                      = google_pubsub_topic.event[each.value.topic].id
  ack_deadline_seconds       = min(600, max(60, each.value.seconds)) # as long as the function may take
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = local.urls[local.region][each.value.function]
    oidc_token {
      service_account_email = google_service_account.named["invoker"].email
      audience              = local.urls[local.region][each.value.function]
    }
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = 20
  }
  expiration_policy {
    ttl = "" # never
  }
  depends_on = [module.function]
}

# What nobody could handle waits a month for a person, who is woken at the first (monitoring.tf).
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 600
  message_retention_duration = "2678400s"
  expiration_policy {
    ttl = ""
  }
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

# Pub/Sub itself moves what has failed too often: it takes from the one and publishes to the other.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "event" {
  for_each     = google_pubsub_subscription.event
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# platform_watch looks at what waits there and gives it back, so that the admins' desk can list it.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  subscription = google_pubsub_subscription.dead_letters.name
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.function["platform_watch"].member
}

resource "google_cloud_tasks_queue" "queue" {
  for_each = module.catalog.queues
  name     = each.key
  location = local.region

  rate_limits {
    max_dispatches_per_second = each.value.dispatches_per_second_max
    max_concurrent_dispatches = each.value.concurrent_dispatches_max
  }
  retry_config {
    max_attempts  = -1 # a task ends when its function says so
    min_backoff   = "1s"
    max_backoff   = "300s"
    max_doublings = 8
  }
  stackdriver_logging_config {
    sampling_ratio = 0.1
  }
  depends_on = [google_project_service.used]
}

resource "google_cloud_scheduler_job" "schedule" {
  for_each         = module.catalog.schedules
  name             = each.key
  region           = local.region
  schedule         = each.value.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "${min(1800, max(15, each.value.seconds))}s"

  retry_config {
    retry_count          = 1 # the next run takes what this one leaves
    min_backoff_duration = "5s"
  }
  http_target {
    uri         = local.urls[local.region][each.value.function]
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ schedule = each.value.schedule }))
    oidc_token {
      service_account_email = google_service_account.named["invoker"].email
      audience              = local.urls[local.region][each.value.function]
    }
  }
  depends_on = [module.function]
}
