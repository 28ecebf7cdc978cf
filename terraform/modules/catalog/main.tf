# What functions/*/function.yaml say, with defaults filled in, and what follows from it. Makes nothing, needs no provider.

variable "folder" {
  description = "Of the functions."
  type        = string
}

locals {
  keys = [
    "description", "gateway", "site", "topics", "queues", "schedules", "on_deploy", "memory", "cpu", "concurrency",
    "timeout_seconds", "instances", "roles", "scopes", "database", "secrets", "environment",
  ]
  scoped_families = ["cloudkms", "iam", "storage"] # never granted on the whole project

  files = { for path in fileset(var.folder, "*/function.yaml") : dirname(path) => yamldecode(file("${var.folder}/${path}")) }
  functions = { for name, given in local.files : name => {
    service         = replace(name, "_", "-") # Cloud Run names take no underscore; shared/config.py does the same
    description     = given.description
    gateway         = given.gateway
    admin           = given.gateway && startswith(name, "admin_")
    site            = try(given.site, false)
    topics          = try(given.topics, [])
    queues          = { for queue in try(given.queues, []) : queue.name => queue }
    schedules       = { for schedule in try(given.schedules, []) : schedule.name => schedule.cron }
    on_deploy       = try(given.on_deploy, [])
    memory          = given.memory
    cpu             = given.cpu
    concurrency     = given.concurrency
    timeout_seconds = given.timeout_seconds
    instances       = given.instances
    roles           = given.roles
    scopes          = { for role, targets in try(given.scopes, {}) : role => targets }
    database        = try(given.database, [])
    secrets         = { for variable, secret in given.secrets : variable => secret }
    environment     = { for variable, value in try(given.environment, {}) : variable => tostring(value) }
  } }

  unknown_keys = flatten([for name, given in local.files : [for key in keys(given) : "${name}: ${key}" if !contains(local.keys, key)]])
  unscoped = flatten([for name, function in local.functions : [
    for role in function.roles : "${name}: ${role}"
    if contains(local.scoped_families, split(".", role)[0]) && !contains(keys(function.scopes), role)
  ]])
  stray_scopes = flatten([for name, function in local.functions : [
    for role in keys(function.scopes) : "${name}: ${role}" if !contains(function.roles, role)
  ]])
  long_names = [for name, function in local.functions : name if length(function.service) > 27]
}

output "functions" {
  description = "By name."
  value       = local.functions

  precondition {
    condition     = length(local.unknown_keys) == 0
    error_message = "function.yaml has keys that nobody reads: ${join(", ", local.unknown_keys)}."
  }
  precondition {
    condition     = length(local.unscoped) == 0
    error_message = "function.yaml must say in scopes on which key ring, bucket or account: ${join(", ", local.unscoped)}."
  }
  precondition {
    condition     = length(local.stray_scopes) == 0
    error_message = "function.yaml has a scope for a role that is not in roles: ${join(", ", local.stray_scopes)}."
  }
  precondition {
    condition     = length(local.long_names) == 0
    error_message = "A service account's name has at most 30 characters, so a function's at most 27: ${join(", ", local.long_names)}."
  }
}

output "subscriptions" {
  description = "One per function and topic."
  value = { for pair in flatten([for name, function in local.functions : [
    for topic in function.topics : { function = name, topic = topic, service = function.service, seconds = function.timeout_seconds }
  ]]) : "${pair.service}.${pair.topic}" => pair }
}

output "topics" {
  value = toset(flatten([for function in local.functions : function.topics]))
}

output "queues" {
  value = merge([for name, function in local.functions : function.queues]...)
}

output "schedules" {
  value = { for entry in flatten([for name, function in local.functions : [
    for schedule, cron in function.schedules : { function = name, service = function.service, schedule = schedule, cron = cron, seconds = function.timeout_seconds }
  ]]) : "${entry.service}-${entry.schedule}" => entry }
}

output "project_roles" {
  description = "Those that hold for the whole project."
  value = { for pair in flatten([for name, function in local.functions : [
    for role in function.roles : { function = name, role = role } if !contains(local.scoped_families, split(".", role)[0])
  ]]) : "${pair.function}/${pair.role}" => pair }
}

output "scoped_roles" {
  description = "Those that hold for one key ring, bucket or service account: family -> function/role/target."
  value = { for family in local.scoped_families : family => { for grant in flatten([for name, function in local.functions : [
    for role, targets in function.scopes : [for target in targets : { function = name, role = role, target = target }]
    if split(".", role)[0] == family
  ]]) : "${grant.function}/${grant.role}/${grant.target}" => grant } }
}

output "secrets" {
  description = "Which function reads which secret."
  value = { for pair in flatten([for name, function in local.functions : [
    for secret in distinct(values(function.secrets)) : { function = name, secret = secret }
  ]]) : "${pair.function}/${pair.secret}" => pair }
}
