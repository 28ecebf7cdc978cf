# One API, and per region a config and a gateway: a config holds the addresses of one region's functions.

module "contract" {
  source   = "./modules/contract"
  for_each = toset(var.regions)
  openapi  = "${path.root}/../openapi.yaml"
  urls     = local.urls[each.key]
  host     = local.hosts.api
}

resource "google_api_gateway_api" "main" {
  provider   = google-beta
  api_id     = "blakjaks"
  depends_on = [google_project_service.used]
}

resource "google_api_gateway_api_config" "main" {
  provider             = google-beta
  for_each             = module.contract
  api                  = google_api_gateway_api.main.api_id
  api_config_id_prefix = "${each.key}-"
  openapi_documents {
    document {
      path     = "openapi.yaml"
      contents = base64encode(each.value.document)
    }
  }
  gateway_config {
    backend_config {
      google_service_account = google_service_account.named["gateway"].email
    }
  }
  lifecycle {
    create_before_destroy = true # a config never changes: a new one is made, the gateway moves, the old one goes
  }
  depends_on = [module.function]
}

resource "google_api_gateway_gateway" "main" {
  provider   = google-beta
  for_each   = google_api_gateway_api_config.main
  gateway_id = "blakjaks-${each.key}"
  region     = each.key
  api_config = each.value.id
}
