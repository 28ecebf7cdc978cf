# Plans, one environment or situation each, asserted function by function. What function.yaml says is read here once
# more, beside the catalog. `command = plan`: nothing is made, and prevent_destroy has nothing to say.

run "prod" {
  command = plan

  # How each runs

  assert {
    condition     = alltrue([for region in var.regions : toset([for path in fileset("../functions", "*/function.yaml") : dirname(path)]) == toset([for key, placed in local.placed : placed.name if placed.region == region])])
    error_message = "Every folder with a function.yaml is a function in every region."
  }
  assert {
    condition = alltrue([for key, placed in local.placed : (
      module.function[key].shape.concurrency == yamldecode(file("../functions/${placed.name}/function.yaml")).concurrency
      && module.function[key].shape.threads == tostring(module.function[key].shape.concurrency)
    )])
    error_message = "Concurrency is that of function.yaml, and THREADS is the same."
  }
  assert {
    condition = alltrue([for key, placed in local.placed : (
      module.function[key].shape.max == yamldecode(file("../functions/${placed.name}/function.yaml")).instances.max
      && module.function[key].shape.min == (placed.region == local.region ? yamldecode(file("../functions/${placed.name}/function.yaml")).instances.min : 0)
    )])
    error_message = "Instances are those of function.yaml; the passive region keeps none."
  }
  assert {
    condition = alltrue([for key, placed in local.placed : (
      module.function[key].shape.memory == yamldecode(file("../functions/${placed.name}/function.yaml")).memory
      && module.function[key].shape.cpu == tostring(yamldecode(file("../functions/${placed.name}/function.yaml")).cpu)
      && module.function[key].shape.timeout == yamldecode(file("../functions/${placed.name}/function.yaml")).timeout_seconds
      && module.function[key].shape.region == placed.region
      && module.function[key].shape.entry_point == placed.name
      && startswith(module.function[key].shape.source, "functions/${placed.name}/")
    )])
    error_message = "Memory, CPU, time limit, region, entry point and source are its own."
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : module.function[key].name == replace(placed.name, "_", "-")])
    error_message = "Names take no underscore."
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : module.function[key].shape.egress == "VPC_EGRESS_PRIVATE_RANGES_ONLY"])
    error_message = "The private network is reached directly."
  }

  # Who reaches it

  assert {
    condition = alltrue([for key, placed in local.placed : module.function[key].shape.ingress == (
      yamldecode(file("../functions/${placed.name}/function.yaml")).gateway
      ? (startswith(placed.name, "admin_") ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_ALL")
      : placed.name == "pages" ? "ALLOW_INTERNAL_AND_GCLB" : (can(yamldecode(file("../functions/${placed.name}/function.yaml")).on_deploy) ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY")
    )])
    error_message = "Jobs are called from inside, admin functions and pages through the load balancer, the others by the gateway."
  }
  assert {
    condition = alltrue([for name, function in local.functions : local.callers[name] == (
      startswith(name, "admin_") || name == "pages" ? "everybody" : yamldecode(file("../functions/${name}/function.yaml")).gateway ? "gateway" : "invoker"
    )])
    error_message = "The gateway calls HTTP functions, the invoker jobs; only behind the load balancer may anybody call."
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : (module.function[key].shape.front == "load_balancer") == (startswith(placed.name, "admin_") || placed.name == "pages")])
    error_message = "Only admin functions and pages believe that the load balancer is in front of them."
  }

  # What it may do and what it is given

  assert {
    condition = alltrue([for name, function in local.functions : (
      toset([for role in yamldecode(file("../functions/${name}/function.yaml")).roles : "roles/${role}"])
      == toset(concat(
        [for key, grant in google_project_iam_member.function : grant.role if startswith(key, "${name}/")],
        [for key, grant in google_storage_bucket_iam_member.function : grant.role if startswith(key, "${name}/")],
        [for key, grant in google_kms_key_ring_iam_member.function : grant.role if startswith(key, "${name}/")],
        [for key, grant in google_service_account_iam_member.function : grant.role if startswith(key, "${name}/")],
      ))
    )])
    error_message = "A function has the roles of its function.yaml and no other."
  }
  assert {
    condition     = length(google_service_account.function) == length(local.functions) && length(distinct([for account in google_service_account.function : account.account_id])) == length(local.functions)
    error_message = "Each function has an account of its own."
  }
  assert {
    condition = alltrue([for key, placed in local.placed : (
      module.function[key].shape.secrets == { for variable, secret in yamldecode(file("../functions/${placed.name}/function.yaml")).secrets : variable => "${var.project}/${secret}" }
      && length(setintersection(module.function[key].shape.settings, keys(yamldecode(file("../functions/${placed.name}/function.yaml")).secrets))) == 0
    )])
    error_message = "Secrets come from Secret Manager, and only those of function.yaml."
  }
  assert {
    condition = alltrue([for name, function in local.functions :
      toset([for key, grant in google_secret_manager_secret_iam_member.function : module.catalog.secrets[key].secret if startswith(key, "${name}/")])
      == toset(values(yamldecode(file("../functions/${name}/function.yaml")).secrets))
    ])
    error_message = "A function reads its own secrets and no others."
  }
  assert {
    condition = alltrue([for name, user in google_sql_user.function : user.type == "CLOUD_IAM_SERVICE_ACCOUNT" && toset(user.database_roles) == toset([
      for role in yamldecode(file("../functions/${name}/function.yaml")).database : role == "owner" ? "cloudsqlsuperuser" : "blakjaks_${role}"
    ])])
    error_message = "Functions log in by IAM and have the database roles of function.yaml."
  }
  assert {
    condition     = alltrue([for name, user in google_sql_user.function : name == "migrate" || !contains(user.database_roles, "cloudsqlsuperuser")])
    error_message = "Only migrate may change the schema."
  }

  # What triggers it

  assert {
    condition = alltrue([for name, function in local.functions :
      toset([for subscription in module.catalog.subscriptions : subscription.topic if subscription.function == name])
      == toset(try(yamldecode(file("../functions/${name}/function.yaml")).topics, []))
    ]) && keys(module.catalog.subscriptions) == keys(google_pubsub_subscription.event)
    error_message = "A subscription for each topic of each function."
  }
  assert {
    condition = alltrue([for key, subscription in google_pubsub_subscription.event : (
      subscription.push_config[0].push_endpoint == local.urls[local.region][module.catalog.subscriptions[key].function]
      && subscription.push_config[0].oidc_token[0].audience == subscription.push_config[0].push_endpoint
      && subscription.ack_deadline_seconds >= min(600, local.functions[module.catalog.subscriptions[key].function].timeout_seconds)
      && subscription.dead_letter_policy[0].max_delivery_attempts == 20
      && subscription.retry_policy[0].maximum_backoff == "600s"
      && subscription.expiration_policy[0].ttl == ""
    )])
    error_message = "Messages are pushed to their function with a token for it, for as long as it may take, again with growing pauses, and for ever."
  }
  assert {
    condition = alltrue(flatten([for name, function in local.functions : [
      for queue in try(yamldecode(file("../functions/${name}/function.yaml")).queues, []) : (
        google_cloud_tasks_queue.queue[queue.name].rate_limits[0].max_dispatches_per_second == queue.dispatches_per_second_max
        && google_cloud_tasks_queue.queue[queue.name].rate_limits[0].max_concurrent_dispatches == queue.concurrent_dispatches_max
        && google_cloud_tasks_queue.queue[queue.name].location == local.region
      )
    ]]))
    error_message = "Queues have the pace of function.yaml."
  }
  assert {
    condition     = alltrue([for name in local.treasuries : abs(google_cloud_tasks_queue.queue["payout-send-${name}"].rate_limits[0].max_dispatches_per_second * 60 - 100) < 0.01 && google_cloud_tasks_queue.queue["payout-send-${name}"].rate_limits[0].max_concurrent_dispatches == 1])
    error_message = "A treasury pays a hundred times a minute, one after another."
  }
  assert {
    condition = alltrue(flatten([for name, function in local.functions : [
      for schedule in try(yamldecode(file("../functions/${name}/function.yaml")).schedules, []) : (
        google_cloud_scheduler_job.schedule["${function.service}-${schedule.name}"].schedule == schedule.cron
        && google_cloud_scheduler_job.schedule["${function.service}-${schedule.name}"].time_zone == "Etc/UTC"
        && google_cloud_scheduler_job.schedule["${function.service}-${schedule.name}"].http_target[0].uri == local.urls[local.region][name]
        && google_cloud_scheduler_job.schedule["${function.service}-${schedule.name}"].http_target[0].oidc_token[0].audience == local.urls[local.region][name]
        && jsondecode(base64decode(google_cloud_scheduler_job.schedule["${function.service}-${schedule.name}"].http_target[0].body)) == { schedule = schedule.name }
      )
    ]])) && length(google_cloud_scheduler_job.schedule) == length(module.catalog.schedules)
    error_message = "Schedules call their function, in UTC, with a token for it and their name."
  }

  # The doors

  assert {
    condition = alltrue([for region in var.regions : alltrue([
      for name, backend in jsondecode(base64decode(google_api_gateway_api_config.main[region].openapi_documents[0].document[0].contents))["x-google-api-management"].backends :
      backend.address == local.urls[region][name] && backend.jwtAudience == backend.address && !startswith(name, "admin_")
    ])])
    error_message = "Each region's gateway calls its own region's functions, and no admin function."
  }
  assert {
    condition     = toset(keys(google_compute_backend_service.admin)) == toset([for name in keys(local.functions) : name if startswith(name, "admin_")]) && alltrue([for rule in google_compute_security_policy.admins.rule : !contains(rule.match[0].config[0].src_ip_ranges, "*") if rule.action == "allow"])
    error_message = "Admin functions are behind the load balancer, for listed networks only."
  }
  assert {
    condition     = toset([for name, grant in google_storage_bucket_iam_member.public : name]) == toset(["avatars", "hls"]) && alltrue([for name, bucket in google_storage_bucket.files : bucket.public_access_prevention == (contains(["avatars", "hls"], name) ? "inherited" : "enforced")])
    error_message = "Only avatars and streams are for everybody."
  }
  assert {
    condition     = alltrue([for name, key in google_kms_crypto_key.signing : key.version_template[0].algorithm == (endswith(name, "-treasury-key") ? "EC_SIGN_SECP256K1_SHA256" : "RSA_SIGN_PKCS1_2048_SHA256") && (!endswith(name, "-treasury-key") || key.version_template[0].protection_level == "HSM")]) && length(google_kms_crypto_key.signing) == 4
    error_message = "Three treasury keys in the HSM, and one for access tokens."
  }
  assert {
    condition     = toset(keys(google_logging_metric.line)) == toset([for metric in yamldecode(file("metrics.yaml")) : metric.name if alltrue([for name in [metric.function, try(metric.comes_with, "any")] : name == "any" || fileexists("../functions/${name}/function.yaml")])])
    error_message = "Every metric of metrics.yaml whose function is there."
  }
  assert {
    condition     = alltrue([for name, metric in local.alerts : contains(google_logging_metric.line[name].bucket_options[0].explicit_buckets[0].bounds, google_monitoring_alert_policy.line[name].conditions[0].condition_threshold[0].threshold_value) if metric.field != null])
    error_message = "The threshold of an alert on a figure is a bound of its buckets, else it would fire too early or too late."
  }
}

# Who hears of what

run "alerts" {
  command = plan
  variables {
    alert_channels = { emails = ["on-call@blakjaks.com", "second@blakjaks.com"], sms = ["+12025550100", "+12025550101"] }
  }
  assert {
    condition = (
      toset([for channel in google_monitoring_notification_channel.email : channel.labels.email_address]) == var.alert_channels.emails
      && toset([for channel in google_monitoring_notification_channel.sms : channel.labels.number]) == var.alert_channels.sms
      && alltrue([for channel in google_monitoring_notification_channel.email : channel.type == "email"])
      && alltrue([for channel in google_monitoring_notification_channel.sms : channel.type == "sms"])
    )
    error_message = "A channel for each address and each number."
  }
  assert {
    condition = alltrue([for metric in yamldecode(file("metrics.yaml")) : (
      google_monitoring_alert_policy.line[metric.name].severity == (metric.alert.urgent ? "CRITICAL" : "WARNING")
      && strcontains(google_monitoring_alert_policy.line[metric.name].documentation[0].content, metric.alert.do)
      && strcontains(google_monitoring_alert_policy.line[metric.name].documentation[0].content, metric.alert.runbook)
    ) if can(metric.alert)])
    error_message = "Each alert says what to do first, and which section says the rest."
  }
  assert {
    condition = alltrue([for content in concat(
      [for policy in google_monitoring_alert_policy.google : policy.documentation[0].content],
      [for policy in google_monitoring_alert_policy.outside : policy.documentation[0].content],
      [for policy in google_monitoring_alert_policy.budget : policy.documentation[0].content],
      [google_monitoring_alert_policy.error_rate.documentation[0].content],
    ) : can(regex("\n\nRunbook: docs/[a-z-]+[.]md#[a-z-]+$", content))])
    error_message = "So does each alert about what Google measures."
  }
  assert {
    condition = alltrue([for metric in yamldecode(file("metrics.yaml")) : (
      google_monitoring_alert_policy.line[metric.name].alert_strategy[0].notification_prompts == tolist(["OPENED"])
      && google_monitoring_alert_policy.line[metric.name].conditions[0].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_INACTIVE"
      && google_monitoring_alert_policy.line[metric.name].conditions[0].condition_threshold[0].aggregations[0].group_by_fields == tolist(["metric.label.subject"])
      && google_monitoring_alert_policy.line[metric.name].severity == "CRITICAL"
    ) if startswith(metric.name, "critical_") && can(metric.alert)])
    error_message = "A critical event is one incident, told when it opens, and over when its lines stop."
  }
  assert {
    condition = alltrue([for metric in yamldecode(file("metrics.yaml")) : alltrue([
      for field, value in try(metric.where, {}) : strcontains(google_logging_metric.line[metric.name].filter, " AND jsonPayload.${field}=\"${value}\"")
    ])])
    error_message = "A metric of some lines of a message names which."
  }
}

run "dev_with_a_canary" {
  command = plan
  variables {
    project   = "blakjaks-dev"
    regions   = ["us-central1"]
    keep_warm = false
    database  = { edition = "ENTERPRISE", tier = "db-custom-2-7680" }
    canary    = ["scans"]
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : module.function[key].shape.latest == (placed.name != "scans")])
    error_message = "Only the canary's new revision waits for traffic."
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : module.function[key].shape.min == 0])
    error_message = "Nothing is kept warm."
  }
  assert {
    condition     = length(google_sql_database_instance.replica) == 0 && length(google_api_gateway_gateway.main) == 1
    error_message = "One region has no replica and one gateway."
  }
}

run "the_first_region_is_lost" {
  command = plan
  variables {
    active_region = "us-east1"
  }
  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.schedule : job.region == "us-east1"]) && alltrue([for queue in google_cloud_tasks_queue.queue : queue.location == "us-east1"])
    error_message = "Schedules and queues move."
  }
  assert {
    condition     = alltrue([for key, subscription in google_pubsub_subscription.event : strcontains(subscription.push_config[0].push_endpoint, ".us-east1.run.app")])
    error_message = "Messages go to the functions that are left."
  }
  assert {
    condition     = google_sql_database_instance.main.region == "us-central1" && google_sql_database_instance.replica["us-east1"].region == "us-east1"
    error_message = "No database is made anew somewhere else."
  }
  assert {
    condition     = alltrue([for key, placed in local.placed : module.function[key].shape.min == (placed.region == "us-east1" ? local.functions[placed.name].instances.min : 0)])
    error_message = "The region that is left is the warm one."
  }
}

run "what_makes_no_sense_is_refused" {
  command = plan
  variables {
    admin_networks = ["0.0.0.0/0"]
    active_region  = "mars-north1"
    chain          = { id = 137, usdt_address = "0xc2132D05D31c914a87C6611C10748AEb04B58e8F", network = "mainnet", zones = [] }
    alert_channels = { emails = ["on-call"], sms = ["555-0100"] }
  }
  expect_failures = [var.admin_networks, var.active_region, var.chain, var.alert_channels]
}

run "nobody_would_hear_of_anything" {
  command = plan
  variables {
    alert_channels = { emails = [] }
  }
  expect_failures = [var.alert_channels]
}

run "a_number_without_its_country" {
  command = plan
  variables {
    alert_channels = { emails = ["on-call@blakjaks.com"], sms = ["2025550100"] }
  }
  expect_failures = [var.alert_channels]
}
