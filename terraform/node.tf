# The Polygon nodes: Bor and Heimdall on a VM of their own, one in each zone of var.chain. Their RPC answers functions
# only. How to bring up a new disk, and what to do with a node that is stuck, is in docs/.

locals {
  nodes        = { for zone in var.chain.zones : zone => { name = "polygon-${zone}", region = substr(zone, 0, length(zone) - 2) } }
  node_regions = distinct([for node in local.nodes : node.region])
  rpc_port     = 8545
  rpc_urls     = [for zone in var.chain.zones : "http://${trimsuffix(google_dns_record_set.node[zone].name, ".")}:${local.rpc_port}"]
}

resource "google_compute_disk" "chain" {
  for_each = local.nodes
  name     = "${each.value.name}-chain"
  zone     = each.key
  type     = "pd-ssd"
  size     = var.chain.disk_gb
  lifecycle {
    prevent_destroy = true # weeks of synchronising
  }
}

resource "google_compute_resource_policy" "snapshots" {
  for_each = toset(local.node_regions)
  name     = "chain-daily-${each.key}"
  region   = each.key
  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "05:00"
      }
    }
    retention_policy {
      max_retention_days    = 7
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "chain" {
  for_each = local.nodes
  name     = google_compute_resource_policy.snapshots[each.value.region].name
  disk     = google_compute_disk.chain[each.key].name
  zone     = each.key
}

resource "google_compute_instance" "node" {
  for_each                  = local.nodes
  name                      = each.value.name
  zone                      = each.key
  machine_type              = var.chain.machine_type
  tags                      = ["node"]
  deletion_protection       = true
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      size  = 30
    }
  }
  attached_disk {
    source      = google_compute_disk.chain[each.key].id
    device_name = "chain"
  }
  network_interface {
    subnetwork = google_compute_subnetwork.nodes[each.value.region].id # no access_config: no address outside
  }
  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }
  service_account {
    email  = google_service_account.named["node"].email
    scopes = ["https://www.googleapis.com/auth/logging.write", "https://www.googleapis.com/auth/monitoring.write"]
  }
  metadata = {
    block-project-ssh-keys    = "true"
    enable-oslogin            = "TRUE"
    google-logging-enabled    = "true"
    google-monitoring-enabled = "true"
    user-data = templatefile("${path.module}/node/cloud-init.yaml.tftpl", {
      network        = var.chain.network
      chain_id       = var.chain.id
      bor_image      = var.chain.bor_image
      heimdall_image = var.chain.heimdall_image
      rpc_port       = local.rpc_port
    })
  }
}

resource "google_compute_firewall" "rpc" {
  name          = "node-rpc-from-functions"
  network       = google_compute_network.main.id
  direction     = "INGRESS"
  source_ranges = [for subnetwork in google_compute_subnetwork.functions : subnetwork.ip_cidr_range]
  target_tags   = ["node"]
  allow {
    protocol = "tcp"
    ports    = [tostring(local.rpc_port)]
  }
}

# Our nodes are each other's first peers.
resource "google_compute_firewall" "peers" {
  name        = "node-peers"
  network     = google_compute_network.main.id
  direction   = "INGRESS"
  source_tags = ["node"]
  target_tags = ["node"]
  allow {
    protocol = "tcp"
    ports    = ["30303", "26656"]
  }
  allow {
    protocol = "udp"
    ports    = ["30303"]
  }
}

# People come through Identity-Aware Proxy (gcloud compute ssh --tunnel-through-iap).
resource "google_compute_firewall" "ssh" {
  name          = "node-ssh-from-iap"
  network       = google_compute_network.main.id
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"]
  target_tags   = ["node"]
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_dns_managed_zone" "internal" {
  name        = "chain-internal"
  dns_name    = "chain.internal."
  description = "Names of the nodes, inside only."
  visibility  = "private"
  private_visibility_config {
    networks {
      network_url = google_compute_network.main.id
    }
  }
  depends_on = [google_project_service.used]
}

resource "google_dns_record_set" "node" {
  for_each     = local.nodes
  managed_zone = google_dns_managed_zone.internal.name
  name         = "${each.value.name}.chain.internal."
  type         = "A"
  ttl          = 60
  rrdatas      = [google_compute_instance.node[each.key].network_interface[0].network_ip]
}
