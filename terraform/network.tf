# One private network. Functions reach the database and the nodes through it and the internet past it; nothing in it
# has an address outside.

resource "google_compute_network" "main" {
  name                    = "blakjaks"
  auto_create_subnetworks = false
  routing_mode            = "GLOBAL"
  depends_on              = [google_project_service.used]
}

# An instance of a function takes up to two addresses.
resource "google_compute_subnetwork" "functions" {
  for_each                 = { for index, region in var.regions : region => index }
  name                     = "functions-${each.key}"
  region                   = each.key
  network                  = google_compute_network.main.id
  ip_cidr_range            = cidrsubnet("10.10.0.0/16", 4, each.value)
  private_ip_google_access = true
  log_config {
    flow_sampling = 0.1
    metadata      = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_compute_subnetwork" "nodes" {
  for_each                 = { for index, region in local.node_regions : region => index }
  name                     = "nodes-${each.key}"
  region                   = each.key
  network                  = google_compute_network.main.id
  ip_cidr_range            = cidrsubnet("10.20.0.0/20", 4, each.value)
  private_ip_google_access = true
  log_config {
    flow_sampling = 0.1
    metadata      = "EXCLUDE_ALL_METADATA"
  }
}

# Nodes look for peers and fetch blocks outward; nobody comes in.
resource "google_compute_router" "nodes" {
  for_each = google_compute_subnetwork.nodes
  name     = "nodes-${each.key}"
  region   = each.key
  network  = google_compute_network.main.id
}

resource "google_compute_router_nat" "nodes" {
  for_each                           = google_compute_router.nodes
  name                               = "nodes-${each.key}"
  region                             = each.key
  router                             = each.value.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"
  min_ports_per_vm                   = 4096
  subnetwork {
    name                    = google_compute_subnetwork.nodes[each.key].id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }
  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Where Google puts the databases.
resource "google_compute_global_address" "services" {
  name          = "services"
  network       = google_compute_network.main.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 16
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.main.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}
