# The load balancer: api. goes to the gateways, admin-api. to the admin functions past Cloud Armor's list of networks,
# media. to the buckets that are for everybody, the domain itself to the web pages, and below /v1/ to the gateways too.

# Functions believe what the edge says of a client because it shows a key that only the two know (shared/web/edge.py). The
# secret has the keys comma separated, the one to be shown first. Whoever may read the load balancer's configuration
# sees the key there, so that it is in the state as well is no further risk.
data "google_secret_manager_secret_version" "edge_keys" {
  secret = google_secret_manager_secret.used["edge-keys"].secret_id
}

locals {
  edge_headers = [ # each replaces what the caller has sent under this name
    "X-Client-Address:{client_ip_address}",
    "X-Edge-Key:${trimspace(split(",", data.google_secret_manager_secret_version.edge_keys.secret_data)[0])}",
  ]
}

# What every answer has, the gateway's own refusals as well (shared/web/http.py adds the same where functions answer).
locals {
  safe_headers = [
    "Referrer-Policy:no-referrer",
    "Strict-Transport-Security:max-age=63072000; includeSubDomains",
    "X-Content-Type-Options:nosniff",
  ]
}

# The same for web pages (functions/pages/site.py adds more where it answers): a page's own requests name their page.
locals {
  site_headers = [
    "Referrer-Policy:same-origin",
    "Strict-Transport-Security:max-age=63072000; includeSubDomains",
    "X-Content-Type-Options:nosniff",
  ]
}

resource "google_compute_global_address" "edge" {
  name       = "edge"
  depends_on = [google_project_service.used]
}

resource "google_compute_managed_ssl_certificate" "edge" {
  name = "edge-${substr(sha256(join(",", values(local.hosts))), 0, 8)}"
  managed {
    domains = values(local.hosts)
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "modern" {
  name            = "modern"
  profile         = "RESTRICTED"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_region_network_endpoint_group" "gateway" {
  provider              = google-beta
  for_each              = google_api_gateway_gateway.main
  name                  = "gateway-${each.key}"
  region                = each.key
  network_endpoint_type = "SERVERLESS"
  serverless_deployment {
    platform = "apigateway.googleapis.com"
    resource = each.value.gateway_id
  }
}

# Those who flood it are slowed down; who may do what, the functions decide.
resource "google_compute_security_policy" "everybody" {
  name = "everybody"
  rule {
    priority = 900
    action   = "deny(403)"
    match {
      expr {
        expression = "evaluatePreconfiguredExpr('cve-canary')"
      }
    }
    description = "Known holes of common libraries, Log4j among them."
  }
  rule {
    priority = 1000
    action   = "throttle"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = 1200
        interval_sec = 60
      }
    }
    description = "1,200 requests a minute from one address."
  }
  rule {
    priority = 2147483647
    action   = "allow"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    description = "Everything else."
  }
}

resource "google_compute_security_policy" "admins" {
  name = "admins"
  dynamic "rule" { # Cloud Armor takes ten networks in a rule
    for_each = chunklist(sort(var.admin_networks), 10)
    content {
      priority = 1000 + rule.key
      action   = "allow"
      match {
        versioned_expr = "SRC_IPS_V1"
        config {
          src_ip_ranges = rule.value
        }
      }
      description = "Networks of admins."
    }
  }
  rule {
    priority = 900
    action   = "deny(403)"
    match {
      expr {
        expression = "evaluatePreconfiguredExpr('cve-canary')"
      }
    }
    description = "Known holes of common libraries, Log4j among them."
  }
  rule {
    priority = 2147483647
    action   = "deny(403)"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    description = "Nobody else."
  }
}

resource "google_compute_backend_service" "gateway" {
  name                    = "gateway"
  load_balancing_scheme   = "EXTERNAL_MANAGED"
  protocol                = "HTTPS"
  security_policy         = google_compute_security_policy.everybody.id
  custom_request_headers  = local.edge_headers
  custom_response_headers = local.safe_headers
  dynamic "backend" {
    for_each = google_compute_region_network_endpoint_group.gateway
    content {
      group = backend.value.id
    }
  }
  outlier_detection { # serverless endpoints have no health checks: a region that fails is left out for a while
    consecutive_errors                    = 20
    enforcing_consecutive_errors          = 100
    enforcing_success_rate                = 0
    max_ejection_percent                  = 50
    consecutive_gateway_failure           = 20
    enforcing_consecutive_gateway_failure = 100
  }
  log_config {
    enable      = true
    sample_rate = 0.1
  }
}

locals {
  admin_functions = { for name, function in local.functions : name => function if function.admin }
  admin_placed    = { for key, placed in local.placed : key => placed if local.functions[placed.name].admin }
}

resource "google_compute_region_network_endpoint_group" "admin" {
  for_each              = local.admin_placed
  name                  = "${local.functions[each.value.name].service}-${each.value.region}"
  region                = each.value.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = module.function[each.key].name
  }
}

resource "google_compute_backend_service" "admin" {
  for_each                = local.admin_functions
  name                    = each.value.service
  load_balancing_scheme   = "EXTERNAL_MANAGED"
  protocol                = "HTTPS"
  security_policy         = google_compute_security_policy.admins.id
  custom_request_headers  = local.edge_headers
  custom_response_headers = local.safe_headers
  dynamic "backend" {
    for_each = { for key, placed in local.admin_placed : key => placed if placed.name == each.key && placed.region == local.region }
    content {
      group = google_compute_region_network_endpoint_group.admin[backend.key].id
    }
  }
  log_config {
    enable      = true
    sample_rate = 1
  }
}

locals {
  site_functions = { for name, function in local.functions : name => function if function.site }
  site_placed    = { for key, placed in local.placed : key => placed if local.functions[placed.name].site }
}

resource "google_compute_region_network_endpoint_group" "site" {
  for_each              = local.site_placed
  name                  = "${local.functions[each.value.name].service}-${each.value.region}"
  region                = each.value.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = module.function[each.key].name
  }
}

# Pages say themselves how long they may be kept. Nothing on them depends on a query, so that no query asks past the CDN.
resource "google_compute_backend_service" "site" {
  for_each                = local.site_functions
  name                    = each.value.service
  load_balancing_scheme   = "EXTERNAL_MANAGED"
  protocol                = "HTTPS"
  security_policy         = google_compute_security_policy.everybody.id
  custom_request_headers  = local.edge_headers
  custom_response_headers = local.site_headers
  compression_mode        = "AUTOMATIC"
  enable_cdn              = true
  cdn_policy {
    cache_mode        = "USE_ORIGIN_HEADERS"
    negative_caching  = false
    serve_while_stale = 60
    cache_key_policy {
      include_host         = true
      include_protocol     = true
      include_query_string = false
    }
  }
  dynamic "backend" {
    for_each = { for key, placed in local.site_placed : key => placed if placed.name == each.key }
    content {
      group = google_compute_region_network_endpoint_group.site[backend.key].id
    }
  }
  log_config {
    enable      = true
    sample_rate = 0.1
  }
}

resource "google_compute_backend_bucket" "media" {
  for_each                = google_storage_bucket_iam_member.public
  name                    = "media-${each.key}"
  bucket_name             = each.value.bucket
  enable_cdn              = true
  custom_response_headers = local.safe_headers # members' pictures among them: nobody is to take one for a page
  cdn_policy {
    cache_mode        = "USE_ORIGIN_HEADERS"
    negative_caching  = true
    serve_while_stale = 0
  }
}

resource "google_compute_url_map" "edge" {
  name            = "edge"
  default_service = google_compute_backend_service.gateway.id

  # API Gateway's own 401 and 404 have no CORS headers: without these our web pages could not see that a token is over.
  default_route_action {
    cors_policy {
      allow_origins     = local.origins
      allow_credentials = true
      allow_methods     = ["GET", "HEAD", "POST", "PUT", "DELETE"]
      allow_headers     = ["Authorization", "Content-Type", "Dry-Run", "Idempotency-Key", "If-Match"]
      expose_headers    = ["Dry-Run", "ETag", "Location", "Retry-After"]
      max_age           = 600
    }
  }

  host_rule {
    hosts        = [local.hosts.admin]
    path_matcher = "admin"
  }
  path_matcher {
    name = "admin"
    default_route_action {
      fault_injection_policy { # no such path at the admin's door
        abort {
          http_status = 404
          percentage  = 100
        }
      }
    }
    default_service = google_compute_backend_service.admin[keys(local.admin_functions)[0]].id
    dynamic "route_rules" {
      for_each = module.contract[local.region].admin_routes
      content {
        priority = route_rules.key + 1
        service  = google_compute_backend_service.admin[route_rules.value.function].id
        match_rules {
          path_template_match = route_rules.value.template
        }
      }
    }
  }

  host_rule {
    hosts        = [local.hosts.site]
    path_matcher = "site"
  }
  path_matcher {
    name            = "site"
    default_service = google_compute_backend_service.site["pages"].id
    path_rule {
      paths   = ["/v1/*"] # one origin for pages and API: no CORS, and a cookie of this host alone
      service = google_compute_backend_service.gateway.id
    }
  }

  host_rule {
    hosts        = [local.hosts.media]
    path_matcher = "media"
  }
  path_matcher {
    name            = "media"
    default_service = google_compute_backend_bucket.media["avatars"].id
    path_rule {
      paths   = ["/hls/*"]
      service = google_compute_backend_bucket.media["hls"].id
      route_action {
        url_rewrite {
          path_prefix_rewrite = "/"
        }
      }
    }
  }
}

resource "google_compute_target_https_proxy" "edge" {
  name             = "edge"
  url_map          = google_compute_url_map.edge.id
  ssl_certificates = [google_compute_managed_ssl_certificate.edge.id]
  ssl_policy       = google_compute_ssl_policy.modern.id
}

resource "google_compute_global_forwarding_rule" "edge" {
  name                  = "edge"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.edge.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.edge.id
}
