# openapi.yaml as API Gateway takes it: backends' addresses and hosts filled in, HEAD beside each GET, admin operations
# taken out (they are behind the load balancer). And the admin operations as rules of a URL map. Makes nothing, needs no provider.

variable "openapi" {
  description = "Path of openapi.yaml."
  type        = string
}

variable "urls" {
  description = "Address of each function, by name."
  type        = map(string)
}

variable "host" {
  description = "Under which clients know the API."
  type        = string
}

locals {
  issuer  = "api.blakjaks.com" # as openapi.yaml and shared/auth.py have it
  methods = ["get", "post", "put", "patch", "delete"]
  text    = templatefile(var.openapi, { for name, url in var.urls : "${name}_url" => url })
  given   = yamldecode(replace(local.text, local.issuer, var.host))

  operations = flatten([for path, item in local.given.paths : [
    for method in local.methods : { path = path, method = method, function = item[method]["x-google-backend"] } if contains(keys(item), method)
  ]])
  admin_paths = toset([for operation in local.operations : operation.path if startswith(operation.function, "admin_")])
  mixed_paths = setintersection(local.admin_paths, toset([
    for operation in local.operations : operation.path if !startswith(operation.function, "admin_")
  ]))
  unknown_functions = [for operation in local.operations : operation.function if !contains(keys(var.urls), operation.function)]

  # API Gateway serves only what is listed, and whatever can be got can also be asked for its headers alone.
  document = merge(local.given, {
    paths = { for path, item in local.given.paths : path => merge(item, {
      for method in ["head"] : method => merge(item.get, { operationId = "${item.get.operationId}_head" }) if contains(keys(item), "get")
    }) if !contains(local.admin_paths, path) }
    x-google-api-management = {
      backends = { for name, backend in local.given["x-google-api-management"].backends : name => backend if !startswith(name, "admin_") }
    }
  })

  # A literal segment comes before one that may be anything: shorter rules of a URL map are tried by priority only.
  admin_functions = { for operation in local.operations : operation.path => operation.function... if contains(local.admin_paths, operation.path) }
  sorted          = sort([for path in local.admin_paths : "${replace(path, "/[{][^}]*[}]/", "~")}|${path}"])
}

output "document" {
  description = "JSON, which is YAML."
  value       = jsonencode(local.document)

  precondition {
    condition     = length(local.unknown_functions) == 0
    error_message = "openapi.yaml names functions that have no folder: ${join(", ", distinct(local.unknown_functions))}."
  }
  precondition {
    condition     = length(local.mixed_paths) == 0
    error_message = "A path is served at the gateway or at the admin's door, not at both: ${join(", ", local.mixed_paths)}."
  }
}

output "admin_routes" {
  description = "In the order in which they must be tried."
  value = [for entry in local.sorted : {
    template = replace(split("|", entry)[1], "/[{]([^}]*)[}]/", "{$1=*}")
    function = local.admin_functions[split("|", entry)[1]][0]
  }]

  precondition {
    condition     = alltrue([for functions in values(local.admin_functions) : length(distinct(functions)) == 1])
    error_message = "The operations of one admin path must be of one function: a URL map does not look at methods."
  }
}
