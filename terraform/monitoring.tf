# Metrics and alerts from metrics.yaml, alerts about Google's own metrics, SLOs, and one dashboard with all of it.

locals {
  # below: usdt and below: gas stand for what this environment must have
  minimums = { usdt = var.treasury_minimum.usdt, gas = var.treasury_minimum.gas * 1000 }
  metrics = { for metric in yamldecode(file("${path.module}/metrics.yaml")) : metric.name => {
    services = metric.function == "any" ? null : replace(metric.function, "_", "-")
    message  = metric.message
    field    = try(metric.field, null)
    labels   = try(metric.labels, [])
    where    = try(metric.where, {})
    alert = !can(metric.alert) ? null : {
      threshold = tonumber(try(local.minimums[metric.alert.below], metric.alert.below, metric.alert.above))
      below     = can(metric.alert.below)
      seconds   = try(metric.alert.seconds, 300)
      hold      = try(metric.alert.hold, 0)
      silence   = try(metric.alert.silence, null)
      urgent    = metric.alert.urgent
      lasting   = try(metric.alert.lasting, false)
      do        = "${metric.alert.do}\n\nRunbook: ${metric.alert.runbook}"
    }
  } }
  alerts = { for name, metric in local.metrics : name => metric if metric.alert != null }

  powers = [for exponent in range(0, 41) : pow(2, exponent)]
}

resource "google_logging_metric" "line" {
  for_each    = local.metrics
  name        = each.key
  description = "\"${each.value.message}\"${each.value.field == null ? "" : ", ${each.value.field}"}"
  filter = join(" AND ", compact(concat([
    "resource.type=\"cloud_run_revision\"",
    each.value.services == null ? "" : "resource.labels.service_name=\"${each.value.services}\"",
    "jsonPayload.message=\"${each.value.message}\"",
  ], [for field, value in each.value.where : "jsonPayload.${field}=\"${value}\""])))
  value_extractor  = each.value.field == null ? null : "EXTRACT(jsonPayload.${each.value.field})"
  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.field == null ? "INT64" : "DISTRIBUTION"
    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }
  # A distribution knows only between which bounds a value lies, and a percentile is guessed in between. Values are
  # whole numbers, so "above 120" is "121 or more": the bound is there, and the alert asks for more than the bound.
  dynamic "bucket_options" {
    for_each = each.value.field == null ? [] : [1]
    content {
      explicit_buckets {
        bounds = [for bound in sort([for value in distinct(concat([0], local.powers, each.value.alert == null ? [] : [each.value.alert.threshold + (each.value.alert.below ? 0 : 1)])) : format("%015d", value)]) : tonumber(bound)]
      }
    }
  }
  depends_on = [google_project_service.used]
}

# What is urgent goes to all of them, the rest to the addresses.
resource "google_monitoring_notification_channel" "email" {
  for_each     = var.alert_channels.emails
  display_name = "Mail to ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
  depends_on   = [google_project_service.used]
}

resource "google_monitoring_notification_channel" "sms" {
  for_each     = var.alert_channels.sms
  display_name = "SMS to ${each.key}"
  type         = "sms"
  labels       = { number = each.key }
  depends_on   = [google_project_service.used]
}

locals {
  emails     = [for channel in google_monitoring_notification_channel.email : channel.id]
  everywhere = concat(local.emails, [for channel in google_monitoring_notification_channel.sms : channel.id])
}

resource "google_monitoring_alert_policy" "line" {
  for_each              = local.alerts
  display_name          = replace(each.key, "_", " ")
  combiner              = "OR"
  severity              = each.value.alert.urgent ? "CRITICAL" : "WARNING"
  notification_channels = each.value.alert.urgent ? local.everywhere : local.emails
  documentation {
    content   = each.value.alert.do
    mime_type = "text/markdown"
  }
  alert_strategy {
    auto_close           = "86400s"
    notification_prompts = each.value.alert.lasting ? ["OPENED"] : null
  }

  conditions {
    display_name = "${each.value.alert.below ? "below" : "above"} ${each.value.alert.threshold}"
    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.line[each.key].name}\" AND resource.type=\"cloud_run_revision\""
      comparison      = each.value.alert.below ? "COMPARISON_LT" : "COMPARISON_GT"
      threshold_value = each.value.alert.threshold + (each.value.field == null || each.value.alert.below ? 0 : 1)
      duration        = "${each.value.alert.hold}s"
      # When no more lines come, what they told of is over.
      evaluation_missing_data = each.value.alert.lasting ? "EVALUATION_MISSING_DATA_INACTIVE" : null
      aggregations {
        alignment_period     = "${each.value.field == null ? each.value.alert.seconds : 60}s"
        per_series_aligner   = each.value.field == null ? "ALIGN_DELTA" : each.value.alert.below ? "ALIGN_PERCENTILE_05" : "ALIGN_PERCENTILE_99"
        cross_series_reducer = each.value.field == null ? "REDUCE_SUM" : each.value.alert.below ? "REDUCE_MIN" : "REDUCE_MAX"
        group_by_fields      = [for label in each.value.labels : "metric.label.${label}"]
      }
    }
  }
  dynamic "conditions" {
    for_each = each.value.alert.silence == null ? [] : [each.value.alert.silence]
    content {
      display_name = "nothing said for ${conditions.value} s"
      condition_absent {
        filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.line[each.key].name}\" AND resource.type=\"cloud_run_revision\""
        duration = "${conditions.value}s"
        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_COUNT"
        }
      }
    }
  }
}

# What Google measures.

locals {
  run      = "resource.type=\"cloud_run_revision\""
  http     = { for name, function in local.functions : name => function if function.gateway || function.site }
  requests = "${local.run} AND metric.type=\"run.googleapis.com/request_count\""
  latency  = "${local.run} AND metric.type=\"run.googleapis.com/request_latencies\""

  google_alerts = {
    dead_letters = {
      filter  = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letters.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      above   = 0, hold = 0, aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = [], urgent = true
      do      = "make dead-letters ARGS=list names the receivers. Mend them, then ARGS=again delivers once more (docs/cloud.md, Dead letters)."
      runbook = "docs/alerts.md#dead-letters"
    }
    subscription_age = {
      filter  = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id!=\"${google_pubsub_subscription.dead_letters.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      above   = 600, hold = 300, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"], urgent = true
      do      = "The receiver named in the subscription does not keep up or fails."
      runbook = "docs/alerts.md#what-google-measures"
    }
    p95 = {
      filter  = local.latency
      above   = 500, hold = 600, aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = ["resource.label.service_name"], urgent = false
      do      = "Which operation? The dashboard has request_milliseconds by operation."
      runbook = "docs/alerts.md#what-google-measures"
      only    = join(" OR ", [for function in values(local.http) : "resource.labels.service_name=\"${function.service}\""])
    }
    database_cpu = {
      filter  = "resource.type=\"cloudsql_database\" AND metric.type=\"cloudsql.googleapis.com/database/cpu/utilization\""
      above   = 0.8, hold = 900, aligner = "ALIGN_MEAN", reducer = "REDUCE_MAX", by = ["resource.label.database_id"], urgent = false
      do      = "Query Insights shows the statement."
      runbook = "docs/alerts.md#what-google-measures"
    }
    database_connections = {
      filter  = "resource.type=\"cloudsql_database\" AND metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\""
      above   = var.database.connections_max * 0.8, hold = 300, aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.label.database_id"], urgent = true
      do      = "Sum of instances.max x connections of every function must stay below the limit: docs/cloud.md, Database."
      runbook = "docs/cloud.md#database"
    }
    replica_lag = {
      filter  = "resource.type=\"cloudsql_database\" AND metric.type=\"cloudsql.googleapis.com/database/replication/replica_lag\""
      above   = 60, hold = 600, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.database_id"], urgent = false
      do      = "Until it has caught up, losing the first region would lose that many seconds."
      runbook = "docs/disaster.md#a-region-is-lost"
    }
    queue_depth = {
      filter  = "resource.type=\"cloud_tasks_queue\" AND metric.type=\"cloudtasks.googleapis.com/queue/depth\""
      above   = 1000, hold = 900, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.queue_id"], urgent = false
      do      = "More comes than the queue's pace lets out. Is it paused?"
      runbook = "docs/alerts.md#what-google-measures"
    }
    node_disk = {
      filter  = "resource.type=\"gce_instance\" AND metric.type=\"agent.googleapis.com/disk/percent_used\" AND metric.labels.state=\"used\""
      above   = 85, hold = 900, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.instance_id"], urgent = false
      do      = "docs/cloud.md, Nodes: make the disk larger; it grows while it is in use."
      runbook = "docs/cloud.md#nodes"
    }
  }
}

resource "google_monitoring_alert_policy" "google" {
  for_each              = local.google_alerts
  display_name          = replace(each.key, "_", " ")
  combiner              = "OR"
  severity              = each.value.urgent ? "CRITICAL" : "WARNING"
  notification_channels = each.value.urgent ? local.everywhere : local.emails
  documentation {
    content   = "${each.value.do}\n\nRunbook: ${each.value.runbook}"
    mime_type = "text/markdown"
  }
  alert_strategy {
    auto_close = "86400s"
  }
  conditions {
    display_name = "above ${each.value.above}"
    condition_threshold {
      filter          = can(each.value.only) ? "${each.value.filter} AND (${each.value.only})" : each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "${each.value.hold}s"
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
        group_by_fields      = each.value.by
      }
    }
  }
}

resource "google_monitoring_alert_policy" "error_rate" {
  display_name          = "error rate"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.everywhere
  documentation {
    content   = "More than 1 % of a function's requests end in 5xx: the log lines \"unexpected error\" have the trace. Roll back with gcloud run services update-traffic.\n\nRunbook: docs/alerts.md#what-google-measures"
    mime_type = "text/markdown"
  }
  conditions {
    display_name = "5xx of all requests"
    condition_threshold {
      filter             = "${local.requests} AND metric.labels.response_code_class=\"5xx\""
      denominator_filter = local.requests
      comparison         = "COMPARISON_GT"
      threshold_value    = 0.01
      duration           = "300s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.service_name"]
      }
      denominator_aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.service_name"]
      }
    }
  }
}

# From outside: does the API answer, and how long do the certificates live?
resource "google_monitoring_uptime_check_config" "api" {
  display_name     = "api"
  timeout          = "10s"
  period           = "60s"
  selected_regions = ["USA_OREGON", "USA_IOWA", "USA_VIRGINIA", "EUROPE"]
  http_check {
    path         = "/.well-known/jwks.json"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }
  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = local.hosts.api }
  }
}

resource "google_monitoring_alert_policy" "outside" {
  for_each = {
    api_down           = { metric = "check_passed", aligner = "ALIGN_NEXT_OLDER", reducer = "REDUCE_COUNT_FALSE", comparison = "COMPARISON_GT", than = 1, hold = 120, urgent = true, do = "From outside the API does not answer. Is it the load balancer, a gateway, or the function auth?", runbook = "docs/alerts.md#what-google-measures" }
    certificate_expiry = { metric = "time_until_ssl_cert_expires", aligner = "ALIGN_NEXT_OLDER", reducer = "REDUCE_MEAN", comparison = "COMPARISON_LT", than = 14, hold = 600, urgent = false, do = "Google renews certificates by itself while the DNS records point to the load balancer: do they?", runbook = "docs/alerts.md#what-google-measures" }
  }
  display_name          = replace(each.key, "_", " ")
  combiner              = "OR"
  severity              = each.value.urgent ? "CRITICAL" : "WARNING"
  notification_channels = each.value.urgent ? local.everywhere : local.emails
  documentation {
    content   = "${each.value.do}\n\nRunbook: ${each.value.runbook}"
    mime_type = "text/markdown"
  }
  conditions {
    display_name = replace(each.key, "_", " ")
    condition_threshold {
      filter          = "resource.type=\"uptime_url\" AND metric.type=\"monitoring.googleapis.com/uptime_check/${each.value.metric}\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.api.uptime_check_id}\""
      comparison      = each.value.comparison
      threshold_value = each.value.than
      duration        = "${each.value.hold}s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }
    }
  }
}

# The promise: 99.9 % of requests do not fail, 95 % take less than half a second, over four weeks.

resource "google_monitoring_custom_service" "api" {
  service_id   = "api"
  display_name = "The API, as its clients see it"
}

locals {
  members_services = join(" OR ", [for function in values(local.http) : "resource.labels.service_name=\"${function.service}\"" if !function.admin])
}

resource "google_monitoring_slo" "availability" {
  service             = google_monitoring_custom_service.api.service_id
  slo_id              = "availability"
  display_name        = "99.9 % of requests do not fail"
  goal                = 0.999
  rolling_period_days = 28
  request_based_sli {
    good_total_ratio {
      total_service_filter = "${local.requests} AND (${local.members_services})"
      bad_service_filter   = "${local.requests} AND metric.labels.response_code_class=\"5xx\" AND (${local.members_services})"
    }
  }
}

resource "google_monitoring_slo" "latency" {
  service             = google_monitoring_custom_service.api.service_id
  slo_id              = "latency"
  display_name        = "95 % of requests take less than 500 ms"
  goal                = 0.95
  rolling_period_days = 28
  request_based_sli {
    distribution_cut {
      distribution_filter = "${local.latency} AND (${local.members_services})"
      range {
        min = 0
        max = 500
      }
    }
  }
}

resource "google_monitoring_alert_policy" "budget" {
  for_each              = { availability = google_monitoring_slo.availability.id, latency = google_monitoring_slo.latency.id }
  display_name          = "${each.key} budget burns"
  combiner              = "AND" # fast, and not only for a moment
  severity              = "CRITICAL"
  notification_channels = local.everywhere
  documentation {
    content   = "At this rate the budget of four weeks is gone in two days.\n\nRunbook: docs/alerts.md#what-google-measures"
    mime_type = "text/markdown"
  }
  dynamic "conditions" {
    for_each = ["3600s", "300s"]
    content {
      display_name = "burn rate over ${conditions.value}"
      condition_threshold {
        filter          = "select_slo_burn_rate(\"${each.value}\", \"${conditions.value}\")"
        comparison      = "COMPARISON_GT"
        threshold_value = 14
        duration        = "0s"
      }
    }
  }
}

locals {
  charts = concat(
    [
      { title = "Requests per second", filter = local.requests, aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.service_name"] },
      { title = "5xx per second", filter = "${local.requests} AND metric.labels.response_code_class=\"5xx\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.service_name"] },
      { title = "p95, ms", filter = local.latency, aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = ["resource.label.service_name"] },
      { title = "Instances", filter = "${local.run} AND metric.type=\"run.googleapis.com/container/instance_count\"", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.label.service_name"] },
    ],
    [for name, alert in local.google_alerts : { title = replace(name, "_", " "), filter = alert.filter, aligner = alert.aligner, reducer = alert.reducer, by = alert.by } if name != "p95"],
    [for name, metric in local.metrics : {
      title   = replace(name, "_", " ")
      filter  = "${local.run} AND metric.type=\"logging.googleapis.com/user/${name}\""
      aligner = metric.field == null ? "ALIGN_DELTA" : try(metric.alert.below, false) ? "ALIGN_PERCENTILE_05" : "ALIGN_PERCENTILE_95"
      reducer = metric.field == null ? "REDUCE_SUM" : try(metric.alert.below, false) ? "REDUCE_MIN" : "REDUCE_MAX"
      by      = [for label in metric.labels : "metric.label.${label}"]
    }],
  )
}

resource "google_monitoring_dashboard" "platform" {
  dashboard_json = jsonencode({
    displayName = "BlakJaks"
    mosaicLayout = {
      columns = 12
      tiles = [for index, chart in local.charts : {
        xPos   = 4 * (index % 3)
        yPos   = 3 * floor(index / 3)
        width  = 4
        height = 3
        widget = {
          title = chart.title
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = chart.filter
                  aggregation = {
                    alignmentPeriod    = "60s"
                    perSeriesAligner   = chart.aligner
                    crossSeriesReducer = chart.reducer
                    groupByFields      = chart.by
                  }
                }
              }
            }]
          }
        }
      }]
    }
  })
  depends_on = [google_logging_metric.line]
}
